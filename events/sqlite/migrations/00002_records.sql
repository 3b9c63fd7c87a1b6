-- +goose Up
ALTER TABLE event RENAME TO event_1; -- emptied by the next step
DROP INDEX event_stream_version;

-- An event is kept as one record, in the encoding that is also its leaf in the study's Merkle tree; beside it what it is found by.
CREATE TABLE event (
	position INTEGER PRIMARY KEY, -- the global order
	stream   TEXT    NOT NULL,
	version  INTEGER NOT NULL,    -- in the stream, from 1 without gaps
	record   BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_stream_version ON event (stream, version);

-- The studies' Merkle trees: up to 32 hashes a row.
CREATE TABLE tile (
	study  TEXT    NOT NULL,
	level  INTEGER NOT NULL,
	n      INTEGER NOT NULL,
	hashes BLOB    NOT NULL,
	PRIMARY KEY (study, level, n)
) STRICT, WITHOUT ROWID;

-- The keys under which payloads are sealed, themselves sealed under a master key. A key that was destroyed leaves its row, so that
-- its owner never gets another.
CREATE TABLE seal_key (
	owner        TEXT    PRIMARY KEY,
	master       TEXT    NOT NULL, -- name of the master key
	wrapped      BLOB,             -- NULL: destroyed
	created_at   INTEGER NOT NULL,
	destroyed_at INTEGER
) STRICT, WITHOUT ROWID;

-- Signed statements of how large a study's tree was and what its root.
CREATE TABLE signed_tree (
	study     TEXT    NOT NULL,
	size      INTEGER NOT NULL,
	position  INTEGER NOT NULL, -- of the last event in the tree
	note      TEXT    NOT NULL,
	signed_at INTEGER NOT NULL,
	PRIMARY KEY (study, size)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE signed_tree;
DROP TABLE seal_key;
DROP TABLE tile;
DROP TABLE event;
ALTER TABLE event_1 RENAME TO event;
CREATE UNIQUE INDEX event_stream_version ON event (stream, version);
