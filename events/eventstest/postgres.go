package eventstest

import (
	"os"
	"sync"
	"testing"
)

// Postgres returns a connection string of a PostgreSQL database to test with: that of ASEM_TEST_POSTGRES, or else
// of a server that is started from the installed binaries, serves all tests of the process through a Unix socket and is
// removed when the process ends, however it ends. Without either the test is skipped, or fails if
// ASEM_REQUIRE_POSTGRES is 1.
func Postgres(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv("ASEM_TEST_POSTGRES"); dsn != "" {
		return dsn
	}
	s, err := shared()
	if err != nil {
		unavailable(t, err)
	}
	return s.DSN
}

var shared = sync.OnceValues(startServer)

// NewServer starts a PostgreSQL server of a test's own, which the test may kill. It skips like [Postgres]; a server
// named by ASEM_TEST_POSTGRES is not for killing, so that does not help here.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := startServer()
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(s.remove)
	return s
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	const how = "no PostgreSQL to test with: %v; install it (apt-get install postgresql) or set ASEM_TEST_POSTGRES to the connection string of a database that tests may write to"
	if os.Getenv("ASEM_REQUIRE_POSTGRES") == "1" {
		t.Fatalf(how, err)
	}
	t.Skipf(how, err)
}
