-- +goose Up
CREATE TABLE event (
	position      bigint      PRIMARY KEY, -- the global order
	stream        text        NOT NULL,
	version       bigint      NOT NULL,    -- in the stream, from 1 without gaps
	id            uuid        NOT NULL,    -- UUIDv7
	type          text        NOT NULL,
	schema        integer     NOT NULL,
	study         text        NOT NULL,
	occurred_at   timestamptz NOT NULL,
	recorded_at   timestamptz NOT NULL,
	actor_role    text        NOT NULL,
	actor_subject text        NOT NULL,
	command       uuid        NOT NULL,
	causation     uuid        NOT NULL,
	payload       bytea       NOT NULL
);

CREATE UNIQUE INDEX event_stream_version ON event (stream, version);

-- The receipt of every command, which makes appends idempotent.
CREATE TABLE command (
	id             uuid        PRIMARY KEY,
	first_position bigint      NOT NULL,
	last_position  bigint      NOT NULL,
	recorded_at    timestamptz NOT NULL
);

-- One row. Who writes holds it locked until commit, so positions are given in the order of commits
-- and no reader ever meets a gap that fills later.
CREATE TABLE head (position bigint NOT NULL);
INSERT INTO head VALUES (0);

-- +goose Down
DROP TABLE head;
DROP TABLE command;
DROP TABLE event;
