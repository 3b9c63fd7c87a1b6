-- +goose Up
CREATE TABLE event (
	position      INTEGER PRIMARY KEY, -- the global order
	stream        TEXT    NOT NULL,
	version       INTEGER NOT NULL,    -- in the stream, from 1 without gaps
	id            BLOB    NOT NULL,    -- UUIDv7
	type          TEXT    NOT NULL,
	schema        INTEGER NOT NULL,
	study         TEXT    NOT NULL,
	occurred_at   INTEGER NOT NULL,    -- microseconds since 1970, UTC
	recorded_at   INTEGER NOT NULL,
	actor_role    TEXT    NOT NULL,
	actor_subject TEXT    NOT NULL,
	command       BLOB    NOT NULL,
	causation     BLOB    NOT NULL,
	payload       BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_stream_version ON event (stream, version);

-- The receipt of every command, which makes appends idempotent.
CREATE TABLE command (
	id             BLOB    PRIMARY KEY,
	first_position INTEGER NOT NULL,
	last_position  INTEGER NOT NULL,
	recorded_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE command;
DROP TABLE event;
