// Package proof shows that a log holds what it was given, all of it and nothing else.
//
// Every study has a Merkle tree as in RFC 6962 over the records of its events; the log extends it with every append. [Sign] states in a
// signed note how large the tree is and what its root; whoever keeps such a note, outside of the lab, can later
// prove with [Consistency] that the tree has only grown since, and with [Inclusion] that an event is in it, without seeing
// anything else. [Verify] reads a whole log and says where it was changed, if it was.
//
// The notes are in the format of golang.org/x/mod/sumdb/note, their text follows the C2SP specification tlog-checkpoint; proofs are those of
// golang.org/x/mod/sumdb/tlog. An erased person's events stay in the tree as they were sealed: proofs do not need keys.
package proof
