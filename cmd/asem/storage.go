package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	_ "github.com/jackc/pgx/v5/stdlib" // the read models' driver for PostgreSQL
	"github.com/mattn/go-isatty"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/events"
	"asem/events/postgres"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
	"asem/projections"
)

// storage says where a study's events and read models are kept: in files of a data folder, or in a PostgreSQL
// database.
type storage struct {
	Data     string `help:"Data folder." default:"asem-data" env:"ASEM_DATA" type:"path" placeholder:"DIR"`
	Postgres string `help:"Keep the studies in this PostgreSQL database instead." env:"ASEM_POSTGRES" placeholder:"URL"`
	Media    string `help:"Folder of the videos, encrypted. Default: media in the data folder." env:"ASEM_MEDIA" type:"path" placeholder:"DIR"`
	Keys     string `name:"master-key-file" help:"File with the keys under which personal data are sealed. Default: keys in the data folder." env:"ASEM_MASTER_KEY_FILE" type:"path" placeholder:"FILE"`
	KMS      string `name:"master-key-command" help:"Program that wraps and unwraps that file by a key management service: see asem key --help." env:"ASEM_MASTER_KEY_COMMAND" placeholder:"COMMAND"`
}

// readSchema is the PostgreSQL schema of the read models.
const readSchema = "asem_read"

// openAccess opens what says who may come in, beside whoever else has it open.
func (s storage) openAccess(ctx context.Context, keys *seal.File) (*access.Store, error) {
	if s.Postgres != "" {
		return access.OpenPostgres(ctx, s.Postgres, access.Schema, keys)
	}
	return access.OpenSQLite(ctx, filepath.Join(s.Data, "access.db"), keys)
}

// house is an opened storage.
type house struct {
	archive events.Archive // the log as it is kept, sealed
	log     *seal.Log      // the log as it is read
	keys    *seal.File
	exec    *events.Executor
	read    *projections.Store
	access  *access.Store
	media   string         // folder of the videos
	videos  *media.Library // nil until it is needed
	lock    *flock.Flock   // nil with PostgreSQL
	where   string         // in words, without secrets
}

// open opens the storage, making it where there is none.
func (s storage) open(ctx context.Context) (*house, error) {
	if s.Postgres != "" {
		return s.openPostgres(ctx)
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: s.Data, Message: "the data folder cannot be made", Err: err}
	}
	lock := flock.New(filepath.Join(s.Data, "lock"))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, &domain.Error{Code: domain.Invalid, Path: s.Data, Message: "the data folder cannot be locked; it must be a folder that you may write to", Err: err}
	case !held:
		return nil, &domain.Error{Code: domain.Conflict, Path: s.Data, Message: "another asem is using this data folder; stop it first, or name another with --data"}
	}
	archive, err := sqlite.Open(ctx, filepath.Join(s.Data, "log.db"))
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	h, err := s.furnish(ctx, archive, func() (*projections.Store, error) {
		return projections.OpenSQLite(ctx, filepath.Join(s.Data, "read.db"))
	})
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	h.lock, h.where = lock, s.Data
	if err := h.read.AbandonRebuild(ctx); err != nil { // nobody else can be rebuilding here
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (s storage) openPostgres(ctx context.Context) (*house, error) {
	archive, err := postgres.Open(ctx, s.Postgres)
	if err != nil {
		return nil, err
	}
	h, err := s.furnish(ctx, archive, func() (*projections.Store, error) { return projections.OpenPostgres(ctx, s.Postgres, readSchema) })
	if err != nil {
		return nil, err
	}
	h.where = "PostgreSQL"
	return h, nil
}

// furnish adds keys and read models to an archive, which it closes when it fails.
func (s storage) furnish(ctx context.Context, archive events.Archive, read func() (*projections.Store, error)) (*house, error) {
	keys, err := s.openKeys(ctx, archive)
	if err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	store, err := read()
	if err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	door, err := s.openAccess(ctx, keys)
	if err != nil {
		return nil, errors.Join(err, store.Close(), archive.Close())
	}
	log := seal.New(archive, keys)
	return &house{archive: archive, log: log, keys: keys, exec: events.NewExecutor(log), read: store, access: door, media: s.mediaFolder()}, nil
}

// mediaFolder is where the videos are.
func (s storage) mediaFolder() string {
	if s.Media != "" {
		return s.Media
	}
	return filepath.Join(s.Data, "media")
}

// keyFile is where the keys are kept if nothing else is said.
func (s storage) keyFile() string {
	if s.Keys != "" {
		return s.Keys
	}
	return filepath.Join(s.Data, "keys")
}

// kms is what guards the key file; nil: its mode alone.
func (s storage) kms() seal.KMS {
	if command := strings.Fields(s.KMS); len(command) > 0 {
		return seal.Program{Command: command}
	}
	return nil
}

// openKeys reads the key file. It makes one only for a log in which nothing is sealed yet: with other keys the data could not be read.
func (s storage) openKeys(ctx context.Context, archive events.Archive) (*seal.File, error) {
	keys, err := seal.OpenFile(s.keyFile(), s.kms())
	if domain.CodeOf(err) != domain.NotFound {
		return keys, err
	}
	sealed, e := archive.WrappedKeys(ctx, nil)
	if e != nil {
		return nil, e
	}
	if len(sealed) > 0 {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.keyFile()), 0o700); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: s.keyFile(), Message: "the folder of the key file cannot be made", Err: err}
	}
	signer, _, err := proof.NewSigner()
	if err != nil {
		return nil, err
	}
	keys, err = seal.NewFile(s.keyFile(), signer, s.kms())
	if domain.CodeOf(err) == domain.Conflict { // another process has just made it
		return seal.OpenFile(s.keyFile(), s.kms())
	}
	return keys, err
}

func (h *house) close() error {
	err := errors.Join(h.access.Close(), h.read.Close(), h.log.Close())
	if h.lock != nil {
		err = errors.Join(err, h.lock.Unlock())
	}
	return err
}

// catchUp brings the read models to the end of the log.
func (h *house) catchUp(ctx context.Context) error {
	return projections.CatchUp(ctx, h.log, projections.All(h.read), nil)
}

// with opens the storage, brings the read models up to date, does something, and closes it.
func (s storage) with(ctx context.Context, do func(*house) error) error {
	return s.withCaughtUp(ctx, (*house).catchUp, do)
}

// withWhatStands is for servers: a read model that stands still before an event keeps nobody from adding to the log, or from seeing why it does.
func (s storage) withWhatStands(ctx context.Context, logger *slog.Logger, do func(*house) error) error {
	if err := s.mustExist(); err != nil {
		return err
	}
	return s.withCaughtUp(ctx, func(h *house, ctx context.Context) error {
		if err := h.catchUp(ctx); err != nil && ctx.Err() == nil {
			logger.Error("serving although the read models have not caught up", "error", err.Error())
		}
		return ctx.Err()
	}, do)
}

func (s storage) withCaughtUp(ctx context.Context, catchUp func(*house, context.Context) error, do func(*house) error) (err error) {
	h, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := catchUp(h, ctx); err != nil {
		return err
	}
	if err := h.finishErasures(ctx); err != nil {
		return err
	}
	return do(h)
}

// withExisting is with for commands that only read: a folder without a log is a mistake, not a new house.
func (s storage) withExisting(ctx context.Context, do func(*house) error) error {
	if err := s.mustExist(); err != nil {
		return err
	}
	return s.with(ctx, do)
}

func (s storage) mustExist() error {
	if s.Postgres != "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.Data, "log.db")); err != nil {
		return &domain.Error{Code: domain.NotFound, Path: s.Data, Message: "there are no studies in this folder; name another with --data"}
	}
	return nil
}

// progressLine shows how far long work has come, on one line that is written over. It is silent where nobody looks:
// when w is not a terminal.
type progressLine struct {
	w    io.Writer
	last string
}

func (p *progressLine) show(what string, done, all int64) {
	if all > 0 {
		p.write(fmt.Sprintf("%s: %d %%", what, 100*done/all))
	}
}

// write writes the line anew, and reports false where nobody looks.
func (p *progressLine) write(line string) bool {
	if f, ok := p.w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return false
	}
	if line != p.last {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.last = line
	}
	return true
}

// end takes the line away.
func (p *progressLine) end() {
	if p.last != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.last = ""
	}
}
