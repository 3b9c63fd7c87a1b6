-- +goose Up
ALTER TABLE event RENAME TO event_1; -- emptied by the next step
DROP INDEX event_stream_version;
ALTER TABLE event_1 RENAME CONSTRAINT event_pkey TO event_1_pkey;

-- An event is kept as one record, in the encoding that is also its leaf in the study's Merkle tree; beside it what it is found by.
CREATE TABLE event (
	position bigint PRIMARY KEY, -- the global order
	stream   text   NOT NULL,
	version  bigint NOT NULL,    -- in the stream, from 1 without gaps
	record   bytea  NOT NULL
);

CREATE UNIQUE INDEX event_stream_version ON event (stream, version);

-- The studies' Merkle trees: up to 32 hashes a row. The last rows are rewritten by every append; free room on their pages keeps that cheap.
CREATE TABLE tile (
	study  text    NOT NULL,
	level  integer NOT NULL,
	n      bigint  NOT NULL,
	hashes bytea   NOT NULL,
	PRIMARY KEY (study, level, n)
) WITH (fillfactor = 50);
ALTER TABLE tile ALTER hashes SET STORAGE PLAIN;

-- The keys under which payloads are sealed, themselves sealed under a master key. A key that was destroyed leaves its row, so that
-- its owner never gets another.
CREATE TABLE seal_key (
	owner        text        PRIMARY KEY,
	master       text        NOT NULL, -- name of the master key
	wrapped      bytea,                -- NULL: destroyed
	created_at   timestamptz NOT NULL,
	destroyed_at timestamptz
);

-- Signed statements of how large a study's tree was and what its root.
CREATE TABLE signed_tree (
	study     text        NOT NULL,
	size      bigint      NOT NULL,
	position  bigint      NOT NULL, -- of the last event in the tree
	note      text        NOT NULL,
	signed_at timestamptz NOT NULL,
	PRIMARY KEY (study, size)
);

-- +goose Down
DROP TABLE signed_tree;
DROP TABLE seal_key;
DROP TABLE tile;
DROP TABLE event;
ALTER TABLE event_1 RENAME TO event;
CREATE UNIQUE INDEX event_stream_version ON event (stream, version);
