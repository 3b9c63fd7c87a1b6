package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/postgres"
	"asem/events/sqlite"
	"asem/projections"
)

// The log under fire. Every test makes a load of appends whose events say to which command they belong and how many that has, notes what was
// acknowledged, does something terrible meanwhile, and in the end looks whether the log kept its promises.
//
//	go test -tags crash -run 'Killed|DatabaseKilled|ClockStepsBack|ConnectionsCut|DiskFull|Linearizable' -v -timeout 2h ./cmd/asem

// keptItsPromises checks a log after the fact.
func keptItsPromises(t *testing.T, s storage, acks []acked) {
	t.Helper()
	h, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	head, err := h.log.Head(t.Context())
	require.NoError(t, err)
	type command struct {
		first, last events.Position
		total       int
	}
	seen := map[uuid.UUID]*command{}
	sums := map[uuid.UUID]hash.Hash{}
	versions, next := map[events.Stream]events.Version{}, events.Position(1)
	var recorded time.Time
	require.NoError(t, events.Scan(t.Context(), h.log, 0, head, func(list []events.Envelope) error {
		for _, at := range list {
			require.Equal(t, next, at.Position, "a gap in the order")
			next++
			require.False(t, at.RecordedAt.Before(recorded), "event %d was recorded before the one before it", at.Position)
			recorded = at.RecordedAt
			versions[at.Stream]++
			require.Equal(t, versions[at.Stream], at.Version, "a gap in %s", at.Stream)
			e, err := events.Decode(at)
			require.NoError(t, err)
			word := strings.Split(e.(domain.ScoreRecorded).Construct, "_")
			require.Equal(t, at.Command.String(), word[0], "an event of another command")
			i, _ := strconv.Atoi(word[1])
			total, _ := strconv.Atoi(word[2])
			c := seen[at.Command]
			if c == nil {
				c = &command{first: at.Position, total: total}
				seen[at.Command] = c
				sums[at.Command] = sha256.New()
			}
			require.Equal(t, c.first+events.Position(i)-1, at.Position, "a command whose events are torn apart or stored twice")
			c.last = at.Position
			_, _ = sums[at.Command].Write(at.Payload) // never fails
		}
		return nil
	}))
	for id, c := range seen {
		require.Equal(t, c.first+events.Position(c.total)-1, c.last, "command %s is torn", id)
	}
	fresh := map[uuid.UUID]bool{}
	for _, a := range acks {
		c := seen[a.command]
		require.NotNil(t, c, "acknowledged command %s is lost", a.command)
		require.Equal(t, a.first, c.first)
		require.Equal(t, a.last, c.last)
		require.Equal(t, a.hash, fmt.Sprintf("%x", sums[a.command].Sum(nil)[:8]))
		require.False(t, !a.duplicate && fresh[a.command], "command %s was called new twice", a.command)
		fresh[a.command] = fresh[a.command] || !a.duplicate
	}
	require.NotEmpty(t, acks)
	report, err := (&archived{h.archive, h.keys}).verify(t.Context(), nil, nil)
	require.NoError(t, err)
	assert.Empty(t, report.Findings)
	require.NoError(t, h.catchUp(t.Context()))
	live := tortured(t, h)
	require.NoError(t, h.read.AbandonRebuild(t.Context())) // of a process that was killed
	require.NoError(t, projections.Rebuild(t.Context(), h.log, h.read, 0, nil))
	assert.Equal(t, live, tortured(t, h), "the read models are those of a rebuild")
	repeats := 0
	for _, a := range acks {
		if a.duplicate {
			repeats++
		}
	}
	t.Logf("%d appends acknowledged, %d repeats answered, %d events stored", len(acks)-repeats, repeats, head)
}

// tortured reads all trajectories.
func tortured(t *testing.T, h *house) (all []projections.Trajectory) {
	v, err := h.read.View(t.Context(), projections.AsOf{})
	require.NoError(t, err)
	for after := ""; ; {
		page, err := v.Trajectories(t.Context(), "TORTURE", projections.TrajectoryFilter{}, projections.Page{First: 1000, After: after})
		require.NoError(t, err)
		all = append(all, page.Items...)
		if !page.HasNext {
			return all
		}
		after = all[len(all)-1].Cursor()
	}
}

// TestKilled kills the process at random moments, again and again. The clock of every other process jumps about, and each process begins by repeating, in disorder,
// what the one before it asked for and was not told the outcome of.
func TestKilled(t *testing.T) {
	kill := func(t *testing.T, s storage) {
		var acks []acked
		open, repeated := map[uuid.UUID]string{}, 0
		for n := range crashKills {
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), "ASEM_TEST_WORKER="+strconv.Itoa(n), "ASEM_TEST_REPLICA_DATA="+s.Data, "ASEM_TEST_WORKER_POSTGRES="+s.Postgres)
			c.Stderr = os.Stderr
			c.Stdin = strings.NewReader(strings.Join(slices.Collect(maps.Values(open)), "\n")) // a map has no order
			repeated += len(open)
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 1<<20)
			require.True(t, lines.Scan(), "the worker does not start")
			time.AfterFunc(time.Duration(rand.IntN(700))*time.Millisecond, func() { _ = c.Process.Signal(syscall.SIGKILL) })
			for lines.Scan() {
				word, rest, _ := strings.Cut(lines.Text(), " ")
				switch word {
				case "ask":
					if a, err := parseAsk(rest); err == nil { // otherwise the last line, cut in the midst
						open[a.Command] = rest
					}
				case "refused":
					if id, err := uuid.Parse(rest); err == nil {
						delete(open, id)
					}
				case "ack":
					if a, err := parseAck(rest); err == nil {
						acks = append(acks, a)
						delete(open, a.command)
					}
				}
			}
			require.NoError(t, lines.Err())
			_ = c.Wait() // it was killed
		}
		assert.Positive(t, repeated, "nothing was under way at any kill")
		t.Logf("%d appends were under way when the process was killed, and were repeated by the next", repeated)
		keptItsPromises(t, s, acks)
	}
	t.Run("sqlite", func(t *testing.T) { kill(t, storage{Data: filepath.Join(t.TempDir(), "data")}) })
	t.Run("postgres", func(t *testing.T) {
		kill(t, storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: eventstest.NewServer(t).DSN})
	})
}

// TestDatabaseKilled kills PostgreSQL itself.
func TestDatabaseKilled(t *testing.T) {
	server := eventstest.NewServer(t)
	s := storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: server.DSN}
	h, err := s.open(t.Context())
	require.NoError(t, err)
	var j journal
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(ctx, h.log, crashWriters, 1, j.add)
	}()
	for range crashKills {
		time.Sleep(time.Duration(200+rand.IntN(600)) * time.Millisecond)
		server.Kill(t)
		server.Start(t)
	}
	time.Sleep(500 * time.Millisecond)
	stop()
	<-done
	require.NoError(t, h.close())
	keptItsPromises(t, s, j.list)
}

// TestClockStepsBack lets the clock of the process, and that of PostgreSQL, jump about by up to an hour at every look.
func TestClockStepsBack(t *testing.T) {
	step := func(t *testing.T, s storage) {
		h, err := s.open(t.Context())
		require.NoError(t, err)
		jump(h)
		var j journal
		ctx, stop := context.WithTimeout(t.Context(), crashTime)
		defer stop()
		load(ctx, h.log, crashWriters, 3, j.add)
		require.NoError(t, h.close())
		keptItsPromises(t, s, j.list)
	}
	t.Run("sqlite", func(t *testing.T) { step(t, storage{Data: filepath.Join(t.TempDir(), "data")}) })
	t.Run("postgres", func(t *testing.T) {
		server := eventstest.NewServer(t)
		conn, err := pgx.Connect(t.Context(), server.DSN)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO steady_timestamp;
			CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT steady_timestamp() - random() * interval '1 hour' $$`)
		require.NoError(t, err)
		require.NoError(t, conn.Close(t.Context()))
		step(t, storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: server.DSN})
	})
}

// jump makes the clock by which a house records events jump about.
func jump(h *house) {
	h.archive.(interface{ SetClock(func() time.Time) }).SetClock(func() time.Time { return time.Now().Add(-time.Duration(rand.Int64N(int64(time.Hour)))) })
}

// TestConnectionsCut cuts and stalls the connections to PostgreSQL in the midst of what they carry.
func TestConnectionsCut(t *testing.T) {
	server := eventstest.NewServer(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	var cuts atomic.Int64
	var calm atomic.Bool
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go proxy(c, filepath.Join(server.Dir, ".s.PGSQL.5432"), &cuts, &calm)
		}
	}()
	host, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	calm.Store(true) // until all is set up
	through := storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: fmt.Sprintf("host=%s port=%s user=asem dbname=postgres sslmode=disable", host, port)}
	h, err := through.open(t.Context())
	require.NoError(t, err)
	calm.Store(false)
	var j journal
	ctx, stop := context.WithTimeout(t.Context(), crashTime)
	load(ctx, h.log, crashWriters, 2, j.add)
	stop()
	calm.Store(true)
	require.NoError(t, h.close())
	require.Greater(t, cuts.Load(), int64(3), "too little was cut to mean anything")
	t.Logf("%d connections cut", cuts.Load())
	keptItsPromises(t, storage{Data: through.Data, Postgres: server.DSN}, j.list)
}

// proxy carries bytes both ways until, after a random number of them, it stalls for a moment and cuts.
func proxy(c net.Conn, to string, cuts *atomic.Int64, calm *atomic.Bool) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "unix", to)
	if err != nil {
		_ = c.Close()
		return
	}
	var once sync.Once
	cut := func() {
		_ = c.Close()
		_ = server.Close()
	}
	left := atomic.Int64{}
	left.Store(int64(8_000 + rand.IntN(120_000)))
	carry := func(from, to net.Conn) {
		defer once.Do(cut)
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			if err != nil {
				return
			}
			if left.Add(int64(-n)) < 0 && !calm.Load() {
				cuts.Add(1)
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
				_, _ = to.Write(b[:rand.IntN(n)+1]) // only a part of it arrives
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
	}
	go carry(c, server)
	carry(server, c)
}

// TestDiskFull fills the disk under the log, and makes room again.
func TestDiskFull(t *testing.T) {
	small := func(t *testing.T, size string) string {
		dir, err := os.MkdirTemp("", "asem-full") // PostgreSQL, as another user, must get at it
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.Remove(dir)) })
		if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
			t.Skipf("a small file system cannot be mounted here; run as root to test a full disk (%s)", strings.TrimSpace(string(out)))
		}
		t.Cleanup(func() { require.NoError(t, exec.CommandContext(context.Background(), "umount", dir).Run()) })
		require.NoError(t, os.Chmod(dir, 0o777))
		return dir
	}
	fill := func(t *testing.T, s storage, dir string) {
		ballast := filepath.Join(dir, "ballast")
		h, err := s.open(t.Context())
		require.NoError(t, err)
		var j journal
		during := func(d time.Duration) (full int64) {
			ctx, stop := context.WithTimeout(t.Context(), d)
			defer stop()
			var refused atomic.Int64
			load(ctx, watchFull{h.log, &refused}, 8, uint64(len(j.list)), j.add)
			return refused.Load()
		}
		require.Zero(t, during(300*time.Millisecond), "there is room at first")
		for range crashFills {
			before := len(j.list)
			f, err := os.Create(ballast)
			require.NoError(t, err)
			_, _ = io.Copy(f, io.LimitReader(zeros{}, 1<<30)) // until there is no room
			require.NoError(t, f.Close())
			full := false
			for began := time.Now(); !full && time.Since(began) < time.Minute; { // SQLite goes on for a while in files that it has
				full = during(time.Second) > 0
			}
			require.True(t, full, "the log never said that there is no room")
			require.NoError(t, os.Remove(ballast))
			time.Sleep(time.Second)
			during(time.Second)
			require.Greater(t, len(j.list), before, "it goes on when there is room")
		}
		require.NoError(t, h.close())
		keptItsPromises(t, s, j.list)
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := small(t, "48m")
		fill(t, storage{Data: filepath.Join(dir, "data"), Keys: filepath.Join(t.TempDir(), "keys")}, dir)
	})
	t.Run("postgres", func(t *testing.T) {
		dir := small(t, "192m")
		elsewhere := os.TempDir()
		t.Setenv("TMPDIR", dir)
		server := eventstest.NewServer(t)
		t.Setenv("TMPDIR", elsewhere)
		fill(t, storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: server.DSN}, dir)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// watchFull counts the appends that were refused for want of room.
type watchFull struct {
	events.Log
	refused *atomic.Int64
}

func (w watchFull) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	r, err := w.Log.Append(ctx, a)
	if errors.Is(err, events.ErrFull) {
		w.refused.Add(1)
	}
	return r, err
}

// What a client asked of a stream and what it was told.
type (
	streamInput struct {
		stream   int
		read     bool
		expected events.Version
		command  uuid.UUID
	}
	streamOutput struct {
		version  events.Version // after it, or as read
		conflict bool
	}
)

// streamModel is a stream as it is promised to be: appends take effect one after the other, at some moment between being asked for and answered.
var streamModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, o := range history {
			s := o.Input.(streamInput).stream
			by[s] = append(by[s], o)
		}
		return slices.Collect(maps.Values(by))
	},
	Init: func() any { return events.Version(0) },
	Step: func(state, input, output any) (bool, any) {
		at, in, out := state.(events.Version), input.(streamInput), output.(streamOutput)
		switch {
		case in.read:
			return out.version == at, at
		case out.conflict:
			return in.expected != at, at
		}
		return in.expected == at, at + 1
	},
}

// TestLinearizable checks histories of many writers on few streams, and that every follower sees every position once and in order.
func TestLinearizable(t *testing.T) {
	check := func(t *testing.T, open func() events.Log) {
		const handles, streams = 3, 16
		var logs []events.Log
		for range handles {
			logs = append(logs, open())
		}
		began := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), crashTime)
		defer stop()
		var mu sync.Mutex
		var history []porcupine.Operation
		var g, followers sync.WaitGroup
		for w := range crashWriters {
			g.Go(func() {
				r := rand.New(rand.NewPCG(7, uint64(w)))
				log := logs[w%handles]
				known := map[int]events.Version{}
				for ctx.Err() == nil {
					// Some streams at a time, and others after a while: the checker's work grows fast with the length of a stream's history and with how many write to it at once.
					s := r.IntN(streams) + streams*int(time.Since(began)/(400*time.Millisecond))
					in := streamInput{stream: s, read: r.IntN(4) == 0, expected: known[s], command: uuid.New()}
					call := time.Since(began).Nanoseconds()
					var out streamOutput
					name := events.Stream(fmt.Sprintf("couple/L/%d", s))
					if in.read {
						list, err := log.ReadStream(context.Background(), name, in.expected, 0)
						require.NoError(t, err)
						out.version = in.expected + events.Version(len(list))
					} else {
						_, err := log.Append(context.Background(), events.Append{Command: in.command, Writes: []events.Write{{Stream: name, Expected: in.expected,
							Events: []events.Envelope{{ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "L", OccurredAt: time.Now(), Payload: []byte("{}")}}}}})
						out.version, out.conflict = in.expected+1, errors.Is(err, events.ErrConflict)
						if err != nil && !out.conflict {
							require.NoError(t, err)
						}
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: w, Input: in, Call: call, Output: out, Return: time.Since(began).Nanoseconds()})
					mu.Unlock()
					if out.conflict {
						list, err := log.ReadStream(context.Background(), name, in.expected, 0)
						require.NoError(t, err)
						known[s] = in.expected + events.Version(len(list))
					} else {
						known[s] = out.version
					}
				}
			})
		}
		seen := make([]events.Position, handles)
		var limit atomic.Int64
		limit.Store(1 << 60)
		for i, log := range logs {
			followers.Go(func() {
				for int64(seen[i]) < limit.Load() {
					within, cancel := context.WithTimeout(context.Background(), time.Second)
					if log.Wait(within, seen[i]) == nil {
						list, err := log.Read(context.Background(), seen[i], 1+i*50)
						require.NoError(t, err)
						for _, e := range list {
							require.Equal(t, seen[i]+1, e.Position, "follower %d missed a position or saw one twice", i)
							seen[i] = e.Position
						}
					}
					cancel()
				}
			})
		}
		g.Wait()
		head, err := logs[0].Head(t.Context())
		require.NoError(t, err)
		limit.Store(int64(head))
		followers.Wait()
		for _, log := range logs {
			require.NoError(t, log.Close())
		}
		result := porcupine.CheckOperationsTimeout(streamModel, history, 5*time.Minute)
		assert.Equal(t, porcupine.Ok, result)
		t.Logf("%d operations of %d writers, %d events, by %d handles and followers: %s", len(history), crashWriters, head, handles, result)
	}
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log.db")
		check(t, func() events.Log {
			log, err := sqlite.Open(t.Context(), path)
			require.NoError(t, err)
			return log
		})
	})
	t.Run("postgres", func(t *testing.T) {
		server := eventstest.NewServer(t)
		check(t, func() events.Log {
			log, err := postgres.Open(t.Context(), server.DSN)
			require.NoError(t, err)
			return log
		})
	})
}
