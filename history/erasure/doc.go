// Package erasure makes what is personal about somebody unreadable: in the log, by destroying the keys it is sealed
// under; in the read models, by deleting rows and everything the database keeps of them; in files. Facts, counts and
// proofs stay.
//
// The log says who is to be erased before anything is destroyed, so that what was interrupted is finished by asking
// again, and copies of the keys that are brought back later are destroyed again ([Repeat]).
//
// Start reading at [Eraser.Erase].
package erasure
