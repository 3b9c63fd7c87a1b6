// Package eventstest holds what every event log must do, as tests.
//
//   - [Run]: the conformance suite; a backend's log_test.go is little more than a call of it
//   - [Bench]: the benchmark that all backends share
//   - [Postgres]: a PostgreSQL to test with, given or started for the occasion
//
// There are no feature flags: what one backend does and another does not is a bug, or not part of the
// contract. The package is imported by tests only.
package eventstest
