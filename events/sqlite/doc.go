// Package sqlite keeps the event log in one SQLite file, with write-ahead logging and a sync before every
// acknowledgement. It is the embedded default of asem: nothing has to be installed. Several handles, also of
// several processes, may be open on one file; they take turns writing.
package sqlite
