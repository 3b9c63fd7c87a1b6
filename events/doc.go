// Package events is the memory of a study: an append-only log in one global order, and the executor that
// decides on it.
//
// Read it in this order:
//
//   - [Log]: the contract that every backend keeps, tested by package eventstest
//   - [Envelope]: one event with where it stands, when it was and who said so
//   - [Encode] and [Decode]: between domain events and payloads, old schemas included
//   - [Executor]: load, fold, decide, append
//
// The backends are events/sqlite and events/postgres; events/feed hands the log to projections. The package
// knows nothing of read models.
package events
