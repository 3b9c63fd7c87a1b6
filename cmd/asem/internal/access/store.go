package access

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"asem/domain"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the PostgreSQL schema that the program uses.
const Schema = "asem_access"

// Keys seal what must be readable again: the master keys, as events/seal has them.
type Keys interface {
	Wrap(ctx context.Context, key []byte, label string) (name string, wrapped []byte, err error)
	Unwrap(ctx context.Context, name string, wrapped []byte, label string) (key []byte, err error)
}

// Store keeps users, credentials, sessions and limits. It may be used from many goroutines, and several processes may have one open.
type Store struct {
	writer, reader *sql.DB
	postgres       bool
	keys           Keys
	now            func() time.Time
	pepper         []byte        // keys hashes; sealed in the database under the master key
	hashing        chan struct{} // a place for each Argon2 under way, which takes memory
	decoy          string        // hash of nothing that anybody knows, for those who do not exist
}

// OpenSQLite opens a store in a file, which is made, readable by its owner alone, if it is not there. The program must have linked in the
// driver "sqlite" (modernc.org/sqlite).
func OpenSQLite(ctx context.Context, path string, keys Keys) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the access file: %w", err)
	}
	unusable := func(err error) error {
		return &domain.Error{Code: domain.Unavailable, Path: path, Message: "the file that says who may come in cannot be opened; expected one that this program wrote, or a folder in which it may make one", Err: err}
	}
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives the files beside it the same permissions
	if err != nil {
		return nil, unusable(err)
	}
	if err := f.Close(); err != nil {
		return nil, unusable(err)
	}
	source := (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String() + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&"
	s := newStore(keys)
	if s.writer, err = sql.Open("sqlite", source+"_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"); err != nil {
		return nil, unusable(err)
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite", source+"_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(unusable(err), s.writer.Close())
	}
	s.reader.SetMaxOpenConns(4)
	s.reader.SetMaxIdleConns(4)
	// Of several processes that meet a new file one makes the tables; the others find them on another try.
	for try := 1; ; try++ {
		err := s.migrate(ctx, goose.DialectSQLite3)
		if err == nil {
			break
		}
		if domain.CodeOf(err) == domain.Invalid || try == 8 || ctx.Err() != nil {
			return nil, errors.Join(unusable(err), s.Close())
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond)
	}
	return s.furnished(ctx)
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// OpenPostgres opens a store in a schema of a PostgreSQL database; schema and tables are made if they are not there.
func OpenPostgres(ctx context.Context, dsn, schema string, keys Keys) (*Store, error) {
	if !schemaName.MatchString(schema) {
		return nil, &domain.Error{Code: domain.Invalid, Path: "schema", Message: "a schema name has lower-case letters, digits and underscores"}
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil { // err quotes the string, and so the password
		return nil, &domain.Error{Code: domain.Invalid, Path: "postgres", Message: "the connection string is not one that PostgreSQL understands; expected postgres://user:password@host:port/database"}
	}
	cfg.RuntimeParams["search_path"] = schema
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "15s"
	s := newStore(keys)
	s.postgres = true
	s.writer = stdlib.OpenDB(*cfg)
	s.reader = s.writer
	s.writer.SetMaxOpenConns(8)
	s.writer.SetMaxIdleConns(8)
	if err := s.writer.PingContext(ctx); err != nil {
		return nil, errors.Join(&domain.Error{Code: domain.Unavailable, Path: "postgres", Message: "PostgreSQL does not answer; check that it runs, its host and port, and the user's right to connect"}, s.Close())
	}
	if _, err := s.writer.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil && sqlState(err) != "23505" { // which another process has just made
		return nil, errors.Join(fmt.Errorf("create the schema %s: %w", schema, err), s.Close())
	}
	if err := s.migrate(ctx, goose.DialectPostgres); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s.furnished(ctx)
}

func newStore(keys Keys) *Store {
	return &Store{keys: keys, now: time.Now, hashing: make(chan struct{}, hashesAtOnce)}
}

func (s *Store) migrate(ctx context.Context, d goose.Dialect) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	var options []goose.ProviderOption
	if s.postgres {
		turns, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(turns))
	} else {
		var foreign bool
		if err := s.writer.QueryRowContext(ctx, "SELECT count(*) > 0 AND sum(name = 'goose_db_version') = 0 FROM sqlite_schema WHERE type = 'table'").Scan(&foreign); err != nil {
			return err
		}
		if foreign {
			return &domain.Error{Code: domain.Invalid, Message: "the file is a database of another program"}
		}
	}
	p, err := goose.NewProvider(d, s.writer, dir, options...)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the access tables: %w", err)
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate the access tables: %w", err)
	}
	if known := p.ListSources(); at > known[len(known)-1].Version {
		return &domain.Error{Code: domain.Invalid, Message: fmt.Sprintf("the access tables have schema %d and this program knows up to %d; use the newer asem that wrote them", at, known[len(known)-1].Version)}
	}
	return nil
}

// furnished reads what a store needs before it can serve.
func (s *Store) furnished(ctx context.Context) (*Store, error) {
	var err error
	if s.pepper, err = s.openPepper(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.decoy = decoy()
	return s, nil
}

// Close frees the database.
func (s *Store) Close() error {
	if s.reader == s.writer {
		return s.writer.Close()
	}
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// Sweep removes what has expired. It is run once in a while.
func (s *Store) Sweep(ctx context.Context) error {
	now := s.now().UnixMicro()
	for _, statement := range []string{
		`DELETE FROM session WHERE expires <= $1`,
		`DELETE FROM attempt WHERE full_until <= $1`,
		`DELETE FROM invitation WHERE expires <= $1`,
		`UPDATE participant SET link = NULL, link_expires = 0 WHERE link IS NOT NULL AND link_expires <= $1`,
		`UPDATE staff SET setup = NULL, setup_expires = 0 WHERE setup IS NOT NULL AND setup_expires <= $1`,
	} {
		if _, err := s.writer.ExecContext(ctx, statement, now); err != nil {
			return fmt.Errorf("remove what has expired: %w", err)
		}
	}
	if _, err := s.writer.ExecContext(ctx, `DELETE FROM draft WHERE saved <= $1`, s.now().Add(-draftLife).UnixMicro()); err != nil {
		return fmt.Errorf("remove what has expired: %w", err)
	}
	if err := s.forgetExpired(ctx); err != nil {
		return fmt.Errorf("remove what has expired: %w", err)
	}
	return nil
}

// within runs f in a transaction.
func (s *Store) within(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing once committed
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// changed runs a statement and reports whether it changed a row.
func (s *Store) changed(ctx context.Context, statement string, args ...any) (bool, error) {
	r, err := s.writer.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
