package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"asem/domain"
	"asem/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DefaultSchema is the schema that [Open] keeps the log in.
const DefaultSchema = "asem_log"

// Log is an event log in a PostgreSQL schema.
type Log struct {
	pool      *pgxpool.Pool
	channel   string // on which commits are announced
	committer *events.Committer
	waker     *events.Waker
	stop      context.CancelFunc // ends listening
	listening sync.WaitGroup
	closed    atomic.Bool
}

var _ events.Log = (*Log)(nil)

// Open opens the log of a database, given by a URL or key=value pairs. Schema and tables are made if they are not
// there.
func Open(ctx context.Context, dsn string) (*Log, error) { return OpenSchema(ctx, dsn, DefaultSchema) }

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// OpenSchema opens the log kept in a schema of its own, so that one database can hold several.
func OpenSchema(ctx context.Context, dsn, schema string) (*Log, error) {
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	cfg, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	// Every statement of the log goes by an index. A plan made while the tables were empty would read them whole, for as
	// long as the connection lives.
	cfg.ConnConfig.RuntimeParams["enable_seqscan"], cfg.ConnConfig.RuntimeParams["jit"] = "off", "off"
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "15s" // a process that hangs lets go of the log
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
		return err
	}
	cfg.MaxConns = max(cfg.MaxConns, 12)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, unreachable(cfg, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unreachable(cfg, err)
	}
	if err := migrate(ctx, pool, schema); err != nil {
		pool.Close()
		return nil, err
	}
	l := &Log{pool: pool, channel: schema, waker: events.NewWaker()}
	l.committer = events.NewCommitter(backend{l}, l.waker.Move)
	listen, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.listening.Go(func() { l.listen(listen) })
	return l, nil
}

func checkSchema(name string) error {
	if !schemaName.MatchString(name) {
		return &domain.Error{Code: domain.Invalid, Path: "schema", Message: "a schema name has lower-case letters, digits and underscores"}
	}
	return nil
}

func parse(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil { // err quotes the string, and so the password
		return nil, &domain.Error{Code: domain.Invalid, Path: "postgres", Message: "the connection string is not one that PostgreSQL understands; expected postgres://user:password@host:port/database"}
	}
	return cfg, nil
}

func unreachable(cfg *pgxpool.Config, err error) error {
	at := net.JoinHostPort(cfg.ConnConfig.Host, strconv.Itoa(int(cfg.ConnConfig.Port)))
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return &domain.Error{Code: domain.Unavailable, Path: "postgres", Message: fmt.Sprintf("PostgreSQL at %s refuses the connection: %s", at, refused.Message)}
	}
	return &domain.Error{Code: domain.Unavailable, Path: "postgres", Message: fmt.Sprintf(
		"PostgreSQL does not answer at %s; check that it runs, that host and port are right and that no firewall is between", at)}
}

// Move gives the log in one schema the name of another, which must hold no events or not exist. What is in the midst of being made under a name of its
// own is so found under the other as a whole or not at all.
func Move(ctx context.Context, dsn, from, to string) error {
	return onServer(ctx, dsn, func(tx pgx.Tx) error {
		if err := empty(ctx, tx, to); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+to+" CASCADE; ALTER SCHEMA "+from+" RENAME TO "+to)
		return err
	}, from, to)
}

// CheckEmpty returns an error with code conflict if there are events in a schema.
func CheckEmpty(ctx context.Context, dsn, schema string) error {
	return onServer(ctx, dsn, func(tx pgx.Tx) error { return empty(ctx, tx, schema) }, schema)
}

func empty(ctx context.Context, tx pgx.Tx, schema string) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", schema+".head").Scan(&there); err != nil || !there {
		return err
	}
	var head events.Position
	err := tx.QueryRow(ctx, "SELECT position FROM "+schema+".head FOR UPDATE").Scan(&head)
	if err == nil && head > 0 {
		err = &domain.Error{Code: domain.Conflict, Path: "postgres", Message: fmt.Sprintf("there are %d events already; a backup is restored to an empty place", head)}
	}
	return err
}

// Drop removes a schema and the log in it, if there is one.
func Drop(ctx context.Context, dsn, schema string) error {
	return onServer(ctx, dsn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		return err
	}, schema)
}

// onServer runs a transaction on a connection of its own.
func onServer(ctx context.Context, dsn string, do func(pgx.Tx) error, schemas ...string) error {
	for _, s := range schemas {
		if err := checkSchema(s); err != nil {
			return err
		}
	}
	cfg, err := parse(dsn)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return unreachable(cfg, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginFunc(ctx, conn, do)
}

// migrate brings the schema up to date, one process at a time.
func migrate(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize()); err != nil {
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "23505" { // another process has just made it
			return fmt.Errorf("create the schema of the log: %w", err)
		}
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	turns, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithSessionLocker(turns),
		goose.WithGoMigrations(goose.NewGoMigration(3, &goose.GoFunc{RunDB: fillRecords}, nil)))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the log: %w", err)
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate the log: %w", err)
	}
	if known := p.ListSources(); at > known[len(known)-1].Version {
		return &domain.Error{Code: domain.Invalid, Path: "postgres", Message: fmt.Sprintf(
			"the log has schema %d and this program knows up to %d; use the newer asem that wrote it", at, known[len(known)-1].Version)}
	}
	return nil
}

// SetClock is [events.Committer.SetClock] of the log's committer.
func (l *Log) SetClock(clock func() time.Time) { l.committer.SetClock(clock) }

// Append implements [events.Log].
func (l *Log) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	return l.committer.Append(ctx, a)
}

// explain translates what PostgreSQL says into what the committer and a caller can act on. An error that the
// server itself reports ended the transaction; after any other, and after a fatal one, the connection is gone.
func explain(err error, committing bool) error {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return &events.Interrupted{Err: err, Unsure: committing && !pgconn.SafeToRetry(err)}
	case e.Severity != "ERROR":
		return &events.Interrupted{Err: err, Unsure: committing}
	}
	switch e.Code {
	case "53100": // disk_full
		return fmt.Errorf("%w: %w", events.ErrFull, err)
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return &events.Interrupted{Err: err}
	case "25006": // read_only_sql_transaction
		return &domain.Error{Code: domain.Unavailable, Path: "postgres", Message: "this PostgreSQL server only reads; expected the primary server", Err: err}
	case "42501", "42P01": // insufficient_privilege, undefined_table
		return &domain.Error{Code: domain.Unavailable, Path: "postgres", Message: "the log's tables are gone, or this user may not write to them", Err: err}
	}
	return err
}

// Lookup implements [events.Log].
func (l *Log) Lookup(ctx context.Context, command uuid.UUID) (events.Receipt, bool, error) {
	if l.closed.Load() {
		return events.Receipt{}, false, events.ErrClosed
	}
	r := events.Receipt{Duplicate: true}
	err := l.pool.QueryRow(ctx, "SELECT first_position, last_position, recorded_at FROM command WHERE id = $1", command).Scan(&r.First, &r.Last, &r.RecordedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return events.Receipt{}, false, nil
	}
	r.RecordedAt = r.RecordedAt.UTC()
	return r, err == nil, wrap(ctx, "look up a command", err)
}

// ReadStream implements [events.Log].
func (l *Log) ReadStream(ctx context.Context, s events.Stream, after events.Version, limit int) ([]events.Envelope, error) {
	var most any // NULL: no limit
	if limit > 0 {
		most = limit
	}
	return l.read(ctx, "read "+string(s), 0, "SELECT position, record FROM event WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3", string(s), int64(after), most)
}

// Read implements [events.Log].
func (l *Log) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	if limit <= 0 {
		return nil, &domain.Error{Code: domain.Invalid, Path: "limit", Message: "a read of the log needs a limit above 0"}
	}
	return l.read(ctx, "read the log", limit, "SELECT position, record FROM event WHERE position > $1 ORDER BY position LIMIT $2", int64(after), limit)
}

// read runs a query that may return so many events as are foreseen.
func (l *Log) read(ctx context.Context, what string, foreseen int, text string, args ...any) ([]events.Envelope, error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	rows, err := l.pool.Query(ctx, text, args...)
	if err != nil {
		return nil, wrap(ctx, what, err)
	}
	page := events.Page{Foreseen: foreseen}
	var position events.Position
	var record pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{(*int64)(&position), &record}, func() error { return page.Add(position, record) })
	if errors.Is(err, events.ErrDamaged) && len(page.List) > 0 {
		return page.List, nil // who asks for more is told
	}
	return page.List, wrap(ctx, what, err)
}

// Head implements [events.Log].
func (l *Log) Head(ctx context.Context) (events.Position, error) {
	if l.closed.Load() {
		return 0, events.ErrClosed
	}
	var head events.Position
	err := l.pool.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM event").Scan(&head)
	return head, wrap(ctx, "read the head of the log", err)
}

// pollEvery is how long a commit may go unnoticed while the connection that listens is down.
const pollEvery = time.Second

// Wait implements [events.Log].
func (l *Log) Wait(ctx context.Context, after events.Position) error {
	return l.waker.Follow(ctx, after, pollEvery, l.Head)
}

// listen hears of commits by other processes, and connects again when the connection breaks.
func (l *Log) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.hear(ctx); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(pollEvery):
			}
		}
	}
}

func (l *Log) hear(ctx context.Context) error {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// A connection that listens is not given back for other use.
	c := conn.Hijack()
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // it is broken, or no longer needed
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{l.channel}.Sanitize()); err != nil {
		return err
	}
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if head, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
			l.waker.Move(events.Position(head))
		}
	}
}

// Close implements [events.Log].
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.committer.Close()
	l.waker.Close()
	l.stop()
	l.listening.Wait()
	l.pool.Close()
	return nil
}

// wrap says what was being done. A cancelled context is reported as such, whatever the driver makes of it.
func wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%s: %w", what, err)
}
