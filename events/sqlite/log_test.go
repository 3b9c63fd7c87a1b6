package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	modernc "modernc.org/sqlite"

	"asem/events"
	"asem/events/eventstest"
	"asem/events/sqlite"
)

func TestLog(t *testing.T) { eventstest.Run(t, opener(t, slow)) }

func TestKeys(t *testing.T) { eventstest.RunKeys(t, opener(t, slow)) }

// opener keeps the logs of a test in one folder. Each new file is prepared once.
func opener(t testing.TB, prepare func(testing.TB, string)) eventstest.Open {
	dir := t.TempDir()
	var prepared sync.Map
	return func(t testing.TB, name string) events.Log {
		path := filepath.Join(dir, name+".db")
		l, err := sqlite.Open(t.Context(), path)
		require.NoError(t, err)
		once, _ := prepared.LoadOrStore(name, &sync.Once{})
		once.(*sync.Once).Do(func() { prepare(t, path) })
		return l
	}
}

// slow makes appends to slow streams linger inside their transaction.
func slow(t testing.TB, path string) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(context.Background(), fmt.Sprintf(`CREATE TRIGGER slow AFTER INSERT ON event WHEN new.stream LIKE '%s%%' BEGIN SELECT linger(); END`, eventstest.SlowStream))
	require.NoError(t, err)
}

func init() {
	modernc.MustRegisterScalarFunction("linger", 0, func(*modernc.FunctionContext, []driver.Value) (driver.Value, error) {
		time.Sleep(eventstest.SlowFor)
		return nil, nil
	})
}
