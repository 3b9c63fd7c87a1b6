-- What a coder has noted of a clip and not yet submitted, sealed.

-- +goose Up
CREATE TABLE draft (
	assignment TEXT   NOT NULL PRIMARY KEY,
	study      TEXT   NOT NULL,
	couple     TEXT   NOT NULL,
	version    BIGINT NOT NULL, -- one more with each change
	master     TEXT   NOT NULL, -- master key that seals it
	sealed     BYTEA  NOT NULL,
	saved      BIGINT NOT NULL
);
CREATE INDEX draft_by_couple ON draft (study, couple);

-- +goose Down
DROP TABLE draft;
