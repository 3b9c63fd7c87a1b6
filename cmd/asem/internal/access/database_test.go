package access

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"asem/events/eventstest"
	"asem/events/proof"
	"asem/events/seal"
)

// realCost is what passwords cost outside these tests, in which they are cheap.
var realCost = *cost

func init() { cost.Memory, cost.Iterations = 64, 1 }

// No less than OWASP asks for (Password Storage Cheat Sheet, Argon2id).
func TestCost(t *testing.T) {
	require.GreaterOrEqual(t, realCost.Memory, uint32(19<<10))
	require.GreaterOrEqual(t, realCost.Iterations, uint32(2))
}

// place is a database with a clock and keys of its own. open returns one more handle on it, as another process has.
type place struct {
	open  func() *Store
	keys  *seal.File
	clock *clock
	dir   string // of the SQLite file; empty: PostgreSQL
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// onEachDatabase runs a test on both databases.
func onEachDatabase(t *testing.T, f func(t *testing.T, p place)) {
	begin := func(t *testing.T) place {
		signer, _, err := proof.NewSigner()
		require.NoError(t, err)
		dir := t.TempDir()
		keys, err := seal.NewFile(filepath.Join(dir, "keys"), signer)
		require.NoError(t, err)
		return place{keys: keys, clock: &clock{at: time.Now()}}
	}
	ready := func(t *testing.T, p place, s *Store, err error) *Store {
		t.Helper()
		require.NoError(t, err)
		s.now = p.clock.now
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	t.Run("sqlite", func(t *testing.T) {
		p := begin(t)
		p.dir = t.TempDir()
		p.open = func() *Store {
			s, err := OpenSQLite(t.Context(), filepath.Join(p.dir, "access.db"), p.keys)
			return ready(t, p, s, err)
		}
		f(t, p)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := eventstest.Postgres(t)
		schema := "access_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		p := begin(t)
		t.Cleanup(func() {
			s, err := OpenPostgres(context.Background(), dsn, schema, p.keys)
			require.NoError(t, err)
			_, err = s.writer.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
			require.NoError(t, errors.Join(err, s.Close()))
		})
		p.open = func() *Store {
			s, err := OpenPostgres(t.Context(), dsn, schema, p.keys)
			return ready(t, p, s, err)
		}
		f(t, p)
	})
}

// here is a network address; each number is another.
func here(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
