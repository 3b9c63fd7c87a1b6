// Package projections is the read side: tables that are built from the event log and can be thrown away
// and built again at any time.
//
// Reading order: [Store] holds the tables in SQLite or PostgreSQL; a [Projection] turns events into the
// rows of one read model and moves its checkpoint in the same transaction; [CatchUp] and [Rebuild] feed
// projections from the log; [Store.View] fixes a position of the log, and the methods of [View] read every model
// as it stood there. [View.WaveFrame] and [View.DiaryFrame] hand the data to the statistics, and [Live] keeps the models that a
// study follows fitted to them.
//
// Every table exists in two slots: a rebuild fills the one that is not read while life goes on in the other, and swaps them when it has caught
// up (slot.go). Of several servers on one database one drives each read model ([Leadership]).
//
// Every row that holds something measured or stated carries the range of positions, from_position up to but
// not including to_position, in which it was so. A correction closes a row and opens another; nothing is overwritten.
// So reading as of position p gives what a rebuild from the first p events alone would give.
//
// One file is one read model: its tables, what each event does to them, and its queries. The SQL is one text
// for both databases (but for the parameters of inserts): numbered parameters ($1), BIGINT, DOUBLE PRECISION, TEXT and BYTEA columns, times as
// microseconds since 1970 in UTC, days as 2026-11-23. Keys are byte strings that sort as
// [asem/analysis/frame.Natural] sorts, because the two databases do not agree on the order of text.
//
// The package does not decide anything, does not know who may see what, and imports no database driver: cmd
// links the drivers in.
package projections
