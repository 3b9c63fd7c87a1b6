// Package postgres keeps the event log in a schema of a PostgreSQL database, for production. Several servers may
// append to one log: writers take turns through a locked row, so the global order is the order of commits.
package postgres
