// Package export writes facts and read models for analysts: as CSV, as lines of JSON (facts as CloudEvents), or as Parquet.
// What is personal is replaced by pseudonyms unless it is asked for: the same text has the same pseudonym everywhere.
//
// An export into a folder is in parts, each of which is whole or not there, and goes on behind the last one: interrupted, or
// a day later.
//
// Start reading at [Facts] and [Model].
package export
