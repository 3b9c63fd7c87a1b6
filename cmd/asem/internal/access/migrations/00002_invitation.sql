-- +goose Up
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

-- +goose Down
DROP TABLE pairing;
DROP TABLE invitation;
