package sqlite

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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"asem/domain"
	"asem/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Log is an event log in a SQLite file.
type Log struct {
	path      string
	writer    *sql.DB // one connection:
	conn      *sql.Conn
	turn      sync.Mutex // held while conn is in a transaction
	reader    *sql.DB
	keeper    *sql.DB // writes what is not an event
	statement statements
	committer *events.Committer
	waker     *events.Waker
	closed    atomic.Bool
}

var _ events.Log = (*Log)(nil)

// Open opens the log in a file, which is made if it is not there.
func Open(ctx context.Context, path string) (*Log, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	source := func(more string) string {
		return (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String() + "?_pragma=busy_timeout(30000)&_pragma=synchronous(FULL)&" + more
	}
	// SQLite gives a new file, and the files beside it, the rights of the first; answers are for the owner's eyes alone.
	if f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600); err == nil {
		_ = f.Close()
	}
	l := &Log{path: path, waker: events.NewWaker()}
	// What could take back a single statement of an append stays in memory: in a file it takes a tenth of the time of a batch.
	if l.writer, err = sql.Open("sqlite", source("_pragma=journal_mode(WAL)&_pragma=temp_store(MEMORY)&_txlock=immediate")); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l.writer.SetMaxOpenConns(1)
	if l.reader, err = sql.Open("sqlite", source("_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(fmt.Errorf("open the log: %w", err), l.writer.Close())
	}
	if l.keeper, err = sql.Open("sqlite", source("_pragma=secure_delete(1)&_txlock=immediate")); err != nil {
		return nil, errors.Join(fmt.Errorf("open the log: %w", err), l.reader.Close(), l.writer.Close())
	}
	l.keeper.SetMaxOpenConns(1)
	l.reader.SetMaxOpenConns(8)
	l.reader.SetMaxIdleConns(8)
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(l.explain(err), l.free())
	}
	l.committer = events.NewCommitter(backend{l}, l.waker.Move)
	return l, nil
}

// prepare migrates the file and prepares the statements.
func (l *Log) prepare(ctx context.Context) error {
	// Of several processes that meet a new file only one can make its tables, and SQLite does not wait while another
	// turns write-ahead logging on; the others find all done on another try.
	for try := 1; ; try++ {
		err := l.migrate(ctx)
		if err == nil {
			break
		}
		if c := code(err); c != lib.SQLITE_ERROR && c != lib.SQLITE_CONSTRAINT && c != lib.SQLITE_BUSY || try == 8 {
			return err
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond)
	}
	var err error
	if l.conn, err = l.writer.Conn(ctx); err != nil { // kept until Close: statements on it need no pool
		return err
	}
	return l.statement.prepare(ctx, l.conn, l.reader)
}

// migrate brings the tables up to date.
func (l *Log) migrate(ctx context.Context) error {
	var foreign bool
	err := l.writer.QueryRowContext(ctx, "SELECT count(*) > 0 AND sum(name = 'goose_db_version') = 0 FROM sqlite_schema WHERE type = 'table'").Scan(&foreign)
	if err != nil {
		return err
	}
	if foreign {
		return &domain.Error{Code: domain.Invalid, Path: l.path, Message: "the file is a database of another program; expected an event log, or no file yet"}
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, l.writer, dir, goose.WithGoMigrations(goose.NewGoMigration(3, &goose.GoFunc{RunTx: fillRecords}, nil)))
	if err != nil {
		return err
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if known := p.ListSources(); at > known[len(known)-1].Version {
		return &domain.Error{Code: domain.Invalid, Path: l.path, Message: fmt.Sprintf(
			"the log has schema %d and this program knows up to %d; use the newer asem that wrote it", at, known[len(known)-1].Version)}
	}
	_, err = p.Up(ctx)
	return err
}

// code is what SQLite says in one number, or 0 where it is not SQLite that speaks.
func code(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// explain translates what SQLite says into what a person can act on.
func (l *Log) explain(err error) error {
	switch code(err) {
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return &domain.Error{Code: domain.Invalid, Path: l.path, Message: "the file is not an event log, or is damaged; restore it from a backup", Err: err}
	case lib.SQLITE_CANTOPEN, lib.SQLITE_PERM, lib.SQLITE_READONLY:
		return &domain.Error{Code: domain.Invalid, Path: l.path, Message: "the log cannot be opened for writing; expected a file in a folder that you may write to", Err: err}
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", events.ErrFull, err)
	case lib.SQLITE_IOERR:
		if strings.Contains(err.Error(), "no space") {
			return fmt.Errorf("%w: %w", events.ErrFull, err)
		}
	case lib.SQLITE_BUSY:
		return &domain.Error{Code: domain.Unavailable, Path: l.path, Message: "another process holds the log; try again", Err: err}
	}
	return err
}

// SetClock is [events.Committer.SetClock] of the log's committer.
func (l *Log) SetClock(clock func() time.Time) { l.committer.SetClock(clock) }

// Append implements [events.Log].
func (l *Log) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	return l.committer.Append(ctx, a)
}

// Lookup implements [events.Log].
func (l *Log) Lookup(ctx context.Context, command uuid.UUID) (events.Receipt, bool, error) {
	if l.closed.Load() {
		return events.Receipt{}, false, events.ErrClosed
	}
	r, err := scanReceipt(l.statement.readReceipt.QueryRowContext(ctx, command[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return events.Receipt{}, false, nil
	}
	r.Duplicate = true
	return r, err == nil, wrap(ctx, "look up a command", err)
}

// ReadStream implements [events.Log].
func (l *Log) ReadStream(ctx context.Context, s events.Stream, after events.Version, limit int) ([]events.Envelope, error) {
	if limit <= 0 {
		limit = -1 // SQLite's word for no limit
	}
	return l.read(ctx, "read "+string(s), l.statement.readStream, 0, string(s), int64(after), limit)
}

// Read implements [events.Log].
func (l *Log) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	if limit <= 0 {
		return nil, &domain.Error{Code: domain.Invalid, Path: "limit", Message: "a read of the log needs a limit above 0"}
	}
	return l.read(ctx, "read the log", l.statement.readAll, limit, int64(after), limit)
}

// read runs a query that may return so many events as are foreseen.
func (l *Log) read(ctx context.Context, what string, stmt *sql.Stmt, foreseen int, args ...any) ([]events.Envelope, error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, wrap(ctx, what, err)
	}
	defer rows.Close()
	page := events.Page{Foreseen: foreseen}
	var position int64
	var record sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&position, &record); err != nil {
			return nil, wrap(ctx, what, err)
		}
		switch err := page.Add(events.Position(position), record); {
		case err != nil && len(page.List) > 0:
			return page.List, nil // who asks for more is told
		case err != nil:
			return nil, fmt.Errorf("%s %w", what, err)
		}
	}
	return page.List, wrap(ctx, what, rows.Err())
}

// Head implements [events.Log].
func (l *Log) Head(ctx context.Context) (events.Position, error) {
	if l.closed.Load() {
		return 0, events.ErrClosed
	}
	var head int64
	err := l.statement.readHead.QueryRowContext(ctx).Scan(&head)
	return events.Position(head), wrap(ctx, "read the head of the log", err)
}

// pollEvery is how long a commit by another process may go unnoticed.
const pollEvery = 500 * time.Millisecond

// Wait implements [events.Log]. A commit through this handle wakes it at once; one by another process is found by
// looking.
func (l *Log) Wait(ctx context.Context, after events.Position) error {
	return l.waker.Follow(ctx, after, pollEvery, l.Head)
}

// Close implements [events.Log].
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.committer.Close()
	l.waker.Close()
	return l.free()
}

func (l *Log) free() error {
	err := errors.Join(l.statement.close(), l.reader.Close(), l.keeper.Close())
	if l.conn != nil {
		err = errors.Join(err, l.conn.Close())
	}
	return errors.Join(err, l.writer.Close())
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
