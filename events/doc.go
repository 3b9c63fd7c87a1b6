// Package events is the memory of a study: an append-only log in one global order, and the executor that
// decides on it.
//
// Read it in this order:
//
//   - [Log]: the contract that every backend keeps, tested by package eventstest
//   - [Envelope]: one event with where it stands, when it was and who said so
//   - [Encode] and [Decode]: between domain events and payloads, old schemas included
//   - [Executor]: load, fold, decide, append
//   - [Record]: an envelope as the bytes that are stored, and hashed into the [Tree] of its study
//   - [Committer]: how appends that arrive together become one transaction
//
// The backends are events/sqlite and events/postgres. events/seal wraps a log so that what a person gave is stored under a
// key of that person; events/proof signs the trees and checks the log against them; events/backup copies and restores it;
// events/feed hands it to projections and to other systems. The package knows nothing of read models.
package events
