package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events"
	"asem/events/sqlite"
)

const writerEnv = "ASEM_TEST_SQLITE_WRITER" // path of a log: be a process that appends to it until killed

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		fmt.Fprintln(os.Stderr, appendUntilKilled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendUntilKilled prints the id of each command once it is acknowledged.
func appendUntilKilled(path string) error {
	ctx := context.Background()
	l, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		a := one(events.Stream(fmt.Sprintf("couple/%d/%d", os.Getpid(), i)), 100)
		if _, err := l.Append(ctx, a); err != nil {
			return err
		}
		fmt.Println(a.Command)
	}
}

// Two processes write and are killed at some moment while this one writes too: everything that any of the
// three was told is stored is there, once, and the order has no gaps.
func TestSecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	l, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	var told []uuid.UUID
	lines := make(chan string, 100_000)
	var writers []*exec.Cmd
	for range 2 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		writers = append(writers, cmd)
		go func() {
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
			lines <- "" // ended
		}()
	}
	require.NoError(t, l.Wait(t.Context(), 0), "a commit by another process wakes")
	began := time.Now()
	for i := 0; time.Since(began) < 300*time.Millisecond; i++ {
		a := one(events.Stream(fmt.Sprintf("couple/%d", i)), 100)
		_, err := l.Append(t.Context(), a)
		require.NoError(t, err)
		told = append(told, a.Command)
	}
	mine := len(told)
	for _, w := range writers {
		require.NoError(t, w.Process.Kill())
	}
	for ended := 0; ended < 2; {
		line := <-lines
		if line == "" {
			ended++
			continue
		}
		if id, err := uuid.Parse(line); err == nil && len(line) == 36 { // the last line may be cut short
			told = append(told, id)
		}
	}
	for _, w := range writers {
		_ = w.Wait() // it was killed
	}
	assert.Greater(t, len(told), mine, "the other processes stored nothing")
	list, err := l.Read(t.Context(), 0, 1_000_000)
	require.NoError(t, err)
	times := map[uuid.UUID]int{}
	for i, e := range list {
		require.Equal(t, events.Position(i+1), e.Position)
		times[e.Command]++
	}
	for _, id := range told {
		require.Equal(t, 1, times[id], "what was acknowledged is stored once")
	}
}

// one is the append of one event with a payload of some size to a new stream.
func one(s events.Stream, size int) events.Append {
	return events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: s, Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "DEMO", OccurredAt: time.Now(), Payload: make([]byte, size),
	}}}}}
}
