package media

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(b) // never fails
	return b
}

func put(t testing.TB, s *Store, id string, key, plain []byte) {
	t.Helper()
	w, err := s.Create(id, key)
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Commit())
}

// Any range of a stored file is that of the plain bytes, for sizes around the chunks.
func TestRangesAreThoseOfThePlainBytes(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	const chunk = 64 << 10
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 777} {
		id, plain := uuid.NewString(), noise(size)
		put(t, s, id, keyOf(1), plain)
		r, err := s.Open(id, keyOf(1))
		require.NoError(t, err)
		assert.EqualValues(t, size, r.Size())
		rapid.Check(t, func(t *rapid.T) {
			from := rapid.IntRange(0, size).Draw(t, "from")
			n := rapid.IntRange(0, size-from).Draw(t, "n")
			got := make([]byte, n)
			_, err := r.ReadAt(got, int64(from))
			if err != nil && (!errors.Is(err, io.EOF) || from+n != size) {
				t.Fatal(err)
			}
			if !bytes.Equal(got, plain[from:from+n]) {
				t.Fatalf("%d bytes from %d differ", n, from)
			}
		})
		require.NoError(t, r.Close())
		raw, err := os.ReadFile(filepath.Join(s.dir, id+videoFile))
		require.NoError(t, err)
		assert.False(t, size > 64 && bytes.Contains(raw, plain[:min(size, 64)]), "nothing is plain")
	}
}

// A changed, cut, lengthened or exchanged file gives no byte that was not written.
func TestTamperedFilesAreNoticed(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	id, other, plain := uuid.NewString(), uuid.NewString(), noise(200_000)
	put(t, s, id, keyOf(1), plain)
	path := filepath.Join(s.dir, id+videoFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	read := func(id string, key []byte) error {
		r, err := s.Open(id, key)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(r)
		err = errors.Join(err, r.Close())
		if err == nil {
			assert.Equal(t, plain, got)
		}
		return err
	}
	require.NoError(t, read(id, keyOf(1)))
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(good)
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			bad = bad[:rapid.IntRange(0, len(bad)-1).Draw(t, "cut")]
		default:
			bad = append(bad, rapid.SliceOfN(rapid.Byte(), 1, 70_000).Draw(t, "more")...)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if read(id, keyOf(1)) == nil {
			t.Fatal("not noticed")
		}
	})
	require.NoError(t, os.WriteFile(path, good, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, other+videoFile), good, 0o600))
	assert.Error(t, read(other, keyOf(1)), "the file of another video")
	assert.Error(t, read(id, keyOf(2)), "another key")
	assert.NoError(t, read(id, keyOf(1)))
}

func TestNothingHalfStored(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	files := func() int {
		list, err := os.ReadDir(s.dir)
		require.NoError(t, err)
		return len(list)
	}
	id := uuid.NewString()
	w, err := s.Create(id, keyOf(1))
	require.NoError(t, err)
	_, err = w.Write(noise(300_000))
	require.NoError(t, err)
	_, err = s.Open(id, keyOf(1))
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	require.NoError(t, w.Close())
	assert.Zero(t, files())
	put(t, s, id, keyOf(1), noise(10))
	w, err = s.Create(id, keyOf(1))
	require.NoError(t, err)
	assert.Error(t, w.Commit(), "nothing is replaced")
	assert.Equal(t, 1, files())

	// What a killed server was writing, and what no log knows of, is found once it is old.
	_, err = s.Create(uuid.NewString(), keyOf(1))
	require.NoError(t, err)
	list, err := s.strays(map[string]bool{id: true}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	assert.Len(t, list, 1)
	list, err = s.strays(nil, time.Now().Add(time.Hour))
	require.NoError(t, err)
	assert.Len(t, list, 2)
	list, err = s.strays(nil, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	assert.Empty(t, list)
	require.NoError(t, s.Delete(id))
	require.NoError(t, s.Delete(id))
	assert.Equal(t, 1, files())
	for _, bad := range []string{"", "../log.db", "A", uuid.NewString() + "/x"} {
		_, err := s.Open(bad, keyOf(1))
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), bad)
		assert.Error(t, s.Delete(bad))
	}
}
