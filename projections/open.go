package projections

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"asem/domain"
)

// OpenSQLite opens the read models in a file, which is made, readable by its owner alone, if it is not there. The program must have linked in
// the driver "sqlite" (modernc.org/sqlite). The file holds nothing that the log does not: a commit may be lost
// when the power fails, and is then applied again.
func OpenSQLite(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the read models: %w", err)
	}
	// SQLite gives the files it adds beside this one the same permissions: there are answers in them.
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(path, err)
	}
	if err := f.Close(); err != nil {
		return nil, unusable(path, err)
	}
	source := func(more ...string) string {
		q := url.Values{}
		for _, p := range append([]string{"busy_timeout(10000)", "temp_store(MEMORY)", "cache_size(-65536)"}, more...) {
			q.Add("_pragma", p)
		}
		return (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String() + "?" + q.Encode()
	}
	writer, err := sql.Open("sqlite", source("journal_mode(WAL)", "synchronous(NORMAL)")+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open the read models: %w", err)
	}
	writer.SetMaxOpenConns(2) // one writes, the other prepares statements
	writer.SetMaxIdleConns(2)
	reader, err := sql.Open("sqlite", source("query_only(1)"))
	if err != nil {
		writer.Close()
		return nil, fmt.Errorf("open the read models: %w", err)
	}
	reader.SetMaxOpenConns(8)
	reader.SetMaxIdleConns(8)
	if err := writer.PingContext(ctx); err != nil {
		reader.Close()
		writer.Close()
		return nil, unusable(path, err)
	}
	return openStore(ctx, writer, reader, SQLite)
}

func unusable(path string, err error) error {
	return &domain.Error{Code: domain.Unavailable, Message: fmt.Sprintf(
		"the read models in %s cannot be opened; expected a file that this program wrote, or a folder in which it may make one (the file can be deleted: it is built again from the log)", path), Err: err}
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// OpenPostgres opens the read models in a schema of a PostgreSQL database; the schema is made if it is not
// there. The program must have linked in the driver "pgx" (github.com/jackc/pgx/v5/stdlib). dsn is a URL or
// a list of key=value.
func OpenPostgres(ctx context.Context, dsn, schema string) (*Store, error) {
	if !schemaName.MatchString(schema) {
		return nil, invalid("schema", "%q is not a schema name; expected lower-case letters, digits and underscores", schema)
	}
	source, err := withSettings(dsn, map[string]string{
		"search_path": schema,
		// A commit lost in a crash takes its checkpoint along and is applied again from the log.
		"synchronous_commit": "off",
		// What a process holds that has come to a standstill, or whose host has vanished, others need.
		"idle_in_transaction_session_timeout": "3s",
		"tcp_keepalives_idle":                 "1",
		"tcp_keepalives_interval":             "1",
		"tcp_keepalives_count":                "2",
		"tcp_user_timeout":                    "3s",
	})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", source)
	if err != nil {
		return nil, fmt.Errorf("open the read models: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, &domain.Error{Code: domain.Unavailable, Message: "PostgreSQL does not answer; check that it runs, its host and port, and the user's right to connect", Err: err}
	}
	if _, err := db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("create schema %s: %w", schema, err)
	}
	store, err := openStore(ctx, db, db, PostgreSQL)
	if err == nil {
		store.schema = schema
	}
	return store, err
}

// withSettings adds settings of the session to a connection string. What it refuses it does not repeat: there is
// a password in it.
func withSettings(dsn string, settings map[string]string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		for k, v := range settings {
			dsn += " " + k + "=" + v
		}
		return dsn, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", invalid("postgres", "the connection string is not a URL; expected postgres://user:password@host:port/database, or a list of key=value")
	}
	q := u.Query()
	for k, v := range settings {
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// openStore is NewStore that closes the databases when it fails.
func openStore(ctx context.Context, writer, reader *sql.DB, d Dialect) (*Store, error) {
	s, err := NewStore(ctx, writer, reader, d)
	if err != nil {
		reader.Close()
		writer.Close()
		return nil, err
	}
	return s, nil
}
