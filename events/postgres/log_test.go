package postgres_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"asem/events"
	"asem/events/eventstest"
	"asem/events/postgres"
)

func TestLog(t *testing.T) { eventstest.Run(t, opener(t, slow)) }

func TestKeys(t *testing.T) { eventstest.RunKeys(t, opener(t, slow)) }

// opener keeps each log in a schema of its own. Each new schema is prepared once.
func opener(t testing.TB, prepare func(t testing.TB, dsn, schema string)) eventstest.Open {
	dsn := eventstest.Postgres(t)
	var prepared sync.Map
	return func(t testing.TB, name string) events.Log {
		schema := fmt.Sprintf("asem_test_%d_%s", os.Getpid(), name)
		l, err := postgres.OpenSchema(t.Context(), dsn, schema)
		require.NoError(t, err)
		once, _ := prepared.LoadOrStore(name, &sync.Once{})
		once.(*sync.Once).Do(func() {
			prepare(t, dsn, schema)
			t.Cleanup(func() { run(t, dsn, "DROP SCHEMA "+schema+" CASCADE") })
		})
		return l
	}
}

// slow makes appends to slow streams linger at their commit.
func slow(t testing.TB, dsn, schema string) {
	run(t, dsn, fmt.Sprintf(`
		CREATE FUNCTION %[1]s.linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(%[2]f); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON %[1]s.event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
			WHEN (new.stream LIKE '%[3]s%%') EXECUTE FUNCTION %[1]s.linger()`, schema, eventstest.SlowFor.Seconds(), eventstest.SlowStream))
}

func run(t testing.TB, dsn, text string) {
	ctx := context.Background() // also used while cleaning up, when that of the test has ended
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, text)
	require.NoError(t, err)
}
