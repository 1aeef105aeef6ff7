// Package proof proves that the log has not been changed. All its records, as they are stored and sealed, are the leaves
// of a Merkle tree (RFC 9162 §2.1); every few minutes the root is signed, as a checkpoint in the log itself and wherever
// else it is sent. Whoever has a checkpoint can tell later whether the records before it are still the same, and a proof
// for one record fits in a file.
//
// Erasing people destroys keys, not records: proofs hold.
//
// Start reading at [Leaf], [Notary] and [Verify].
package proof
