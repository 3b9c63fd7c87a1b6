package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/feed"
	"asem/projections"
)

// failover is how soon another replica must have taken over.
const failover = 5 * time.Second

// replica drives the read models until ctx ends.
func replica(ctx context.Context, s storage) error {
	h, err := s.open(ctx)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	var consumers []feed.Consumer
	for _, p := range projections.All(h.read) {
		consumers = append(consumers, p)
	}
	r, err := feed.NewRouter(h.log, feed.Options{Logger: log, Leader: h.read.Lead(ctx, log)}, consumers...)
	if err != nil {
		return err
	}
	_ = r.Run(ctx) // ends with ctx
	return h.close()
}

// TestMain lets the test binary be another process, which can be killed.
func TestMain(m *testing.M) {
	eventstest.ServeKMS()
	if n, err := strconv.ParseUint(os.Getenv("ASEM_TEST_WORKER"), 10, 64); err == nil {
		if err := worker(storage{Data: os.Getenv("ASEM_TEST_REPLICA_DATA"), Postgres: os.Getenv("ASEM_TEST_WORKER_POSTGRES")}, n); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
		}
		os.Exit(1)
	}
	if args := os.Getenv("ASEM_TEST_SERVE"); args != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		code := run(ctx, strings.Split(args, "\n"), streams{os.Stdout, os.Stderr})
		stop()
		os.Exit(code)
	}
	if dsn := os.Getenv("ASEM_TEST_REPLICA"); dsn != "" {
		if err := replica(context.Background(), storage{Data: os.Getenv("ASEM_TEST_REPLICA_DATA"), Postgres: dsn}); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// One replica of several drives the read models; when it is killed, or the server cuts its connections, another takes over within five seconds, and nothing is
// applied twice or left out.
func TestAnotherReplicaTakesOver(t *testing.T) {
	server := eventstest.NewServer(t)
	s := storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: server.DSN}
	observe(t, s) // also makes the key file
	h, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	var others []*exec.Cmd
	for range 2 {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), "ASEM_TEST_REPLICA="+server.DSN, "ASEM_TEST_REPLICA_DATA="+s.Data)
		require.NoError(t, c.Start())
		others = append(others, c)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- replica(ctx, s) }()
	n := 0
	follow := func(what string) {
		n++
		began := time.Now()
		r, err := h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.CorrectScore{Study: "S", Couple: "1", Role: "B", Wave: 1, Construct: "quality", Value: float64(n), Reason: "r"}})
		require.NoError(t, err)
		within, cancel := context.WithTimeout(t.Context(), 4*failover)
		defer cancel()
		require.NoError(t, h.read.WaitFor(within, events.Position(r.Position)), what)
		assert.Less(t, time.Since(began), failover, what)
	}
	follow("all three are there")
	require.NoError(t, others[0].Process.Signal(syscall.SIGKILL))
	_ = others[0].Wait()
	follow("the first was killed")
	conn, err := pgx.Connect(t.Context(), server.DSN)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(context.Background())) }()
	cut := func() {
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
		require.NoError(t, err)
	}
	for range 3 {
		cut()
		follow("the leader's connection was cut")
	}
	require.NoError(t, others[1].Process.Signal(syscall.SIGKILL))
	_ = others[1].Wait()
	follow("only one is left")

	want := projectionsOf(t, h)
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, projections.Rebuild(t.Context(), h.log, h.read, 0, nil))
	assert.Equal(t, want, projectionsOf(t, h))
}

// projectionsOf reads something of every read model.
func projectionsOf(t *testing.T, h *house) []any {
	v, err := h.read.View(t.Context(), projections.AsOf{})
	require.NoError(t, err)
	couples, err := v.Couples(t.Context(), "S", projections.CoupleFilter{}, projections.Page{First: 10})
	require.NoError(t, err)
	series, err := v.Trajectories(t.Context(), "S", projections.TrajectoryFilter{}, projections.Page{First: 10})
	require.NoError(t, err)
	compliance, err := v.Compliance(t.Context(), "S")
	require.NoError(t, err)
	return []any{v.Position(), couples, series, compliance}
}
