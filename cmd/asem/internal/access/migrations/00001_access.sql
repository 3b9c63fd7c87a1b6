-- +goose Up
-- The statements suit both databases. Times are microseconds since 1970, UTC; 0 is none.
CREATE TABLE secret (
	name   TEXT  NOT NULL PRIMARY KEY,
	master TEXT  NOT NULL, -- names the master key that sealed it
	sealed BYTEA NOT NULL
);

CREATE TABLE staff (
	id            TEXT   NOT NULL PRIMARY KEY, -- stands in events; the name does not
	name          TEXT   NOT NULL UNIQUE,
	password      TEXT   NOT NULL,             -- Argon2id; empty until it is set
	master        TEXT   NOT NULL,             -- names the master key that sealed totp
	totp          BYTEA  NOT NULL,             -- sealed; empty until the first visit with a set-up link
	totp_step     BIGINT NOT NULL,             -- the last that was used
	epoch         TEXT   NOT NULL,             -- sessions of another epoch are over
	disabled      BIGINT NOT NULL,
	setup         BYTEA  UNIQUE,               -- hash of the set-up link
	setup_expires BIGINT NOT NULL
);

CREATE TABLE staff_role (
	staff TEXT NOT NULL REFERENCES staff (id),
	study TEXT NOT NULL,
	role  TEXT NOT NULL,
	PRIMARY KEY (staff, study, role)
);

CREATE TABLE participant (
	study        TEXT   NOT NULL,
	couple       TEXT   NOT NULL,
	role         TEXT   NOT NULL,
	epoch        TEXT   NOT NULL,
	code         BYTEA  UNIQUE, -- keyed hash
	pin          TEXT   NOT NULL,
	email        BYTEA,         -- keyed hash
	link         BYTEA  UNIQUE, -- hash of the one live link
	link_expires BIGINT NOT NULL,
	PRIMARY KEY (study, couple, role),
	UNIQUE (study, email)
);
CREATE INDEX participant_by_email ON participant (email);

-- An open invitation lets couples enrol by themselves.
CREATE TABLE invitation (
	id      TEXT   NOT NULL PRIMARY KEY,
	study   TEXT   NOT NULL,
	token   BYTEA  NOT NULL UNIQUE, -- hash of what its link carries
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	closed  BIGINT NOT NULL
);

-- One partner has come by an invitation and waits for the other. Nothing here tells who it is.
CREATE TABLE pairing (
	code     BYTEA  NOT NULL PRIMARY KEY, -- keyed hash of what is handed to the partner
	study    TEXT   NOT NULL,
	couple   TEXT   NOT NULL,
	role     TEXT   NOT NULL, -- of who came first
	language TEXT   NOT NULL,
	zone     TEXT   NOT NULL,
	word     TEXT   NOT NULL, -- by which the partners know that they are with each other
	expires  BIGINT NOT NULL
);
CREATE INDEX pairing_by_expiry ON pairing (expires);

CREATE TABLE session (
	token   TEXT   NOT NULL PRIMARY KEY, -- hash
	owner   TEXT   NOT NULL,
	data    BYTEA  NOT NULL,
	expires BIGINT NOT NULL,
	ended   BIGINT NOT NULL -- 1: signed out. It stays until it would have expired, so that a request under way does not revive it
);
CREATE INDEX session_by_owner ON session (owner);
CREATE INDEX session_by_expiry ON session (expires);

CREATE TABLE attempt (
	key  BYTEA  NOT NULL PRIMARY KEY, -- keyed hash of what is limited
	full_until BIGINT NOT NULL        -- when all that was used up will have come back
);

-- +goose Down
DROP TABLE attempt;
DROP TABLE session;
DROP TABLE pairing;
DROP TABLE invitation;
DROP TABLE participant;
DROP TABLE staff_role;
DROP TABLE staff;
DROP TABLE secret;
