package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events"
	"asem/events/sqlite"
)

// On a disk that runs full, appends are refused with ErrFull and leave nothing behind; what was acknowledged stays,
// and when there is room again the log goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk could not be made: %v; run the tests as root, with the right to mount, for this one", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	ctx, ballast := context.Background(), filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 300<<10), 0o600))
	l, err := sqlite.Open(ctx, filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	stored := 0
	store := func() error {
		_, err := l.Append(ctx, one(events.Stream(fmt.Sprintf("couple/%d", stored)), 20_000))
		return err
	}
	for err = store(); err == nil; err = store() {
		stored++
		require.Less(t, stored, 100, "the disk never runs full")
	}
	require.ErrorIs(t, err, events.ErrFull)
	assert.ErrorIs(t, store(), events.ErrFull)
	assert.Positive(t, stored)
	list, err := l.Read(ctx, 0, 1000)
	require.NoError(t, err)
	assert.Len(t, list, stored)

	require.NoError(t, os.Remove(ballast))
	require.NoError(t, store(), "there is room again")
	require.NoError(t, l.Close())
	l, err = sqlite.Open(ctx, filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	list, err = l.Read(ctx, 0, 1000)
	require.NoError(t, err)
	assert.Len(t, list, stored+1)
	require.NoError(t, l.Close())
}
