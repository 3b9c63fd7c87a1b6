package seal_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/seal"
	"asem/events/sqlite"
)

// everybody's makes every event somebody's, so that the conformance suite meets sealed events only.
type everybodys struct{ events.Log }

func (l everybodys) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	b := events.Append{Command: a.Command}
	for _, w := range a.Writes {
		list := append([]events.Envelope(nil), w.Events...)
		for i := range list {
			list[i].Owner = string(w.Stream)
		}
		b.Writes = append(b.Writes, events.Write{Stream: w.Stream, Expected: w.Expected, Events: list})
	}
	return l.Log.Append(ctx, b)
}

func (l everybodys) ReadStream(ctx context.Context, s events.Stream, after events.Version, limit int) ([]events.Envelope, error) {
	list, err := l.Log.ReadStream(ctx, s, after, limit)
	return disowned(list), err
}

func (l everybodys) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	list, err := l.Log.Read(ctx, after, limit)
	return disowned(list), err
}

func disowned(list []events.Envelope) []events.Envelope {
	for i := range list {
		list[i].Owner = ""
	}
	return list
}

func keys(t testing.TB) *seal.File {
	f, err := seal.NewFile(filepath.Join(t.TempDir(), "keys"), "signer", nil)
	require.NoError(t, err)
	return f
}

func TestASealedLogIsALog(t *testing.T) {
	dir, master := t.TempDir(), keys(t)
	eventstest.Run(t, func(t testing.TB, name string) events.Log {
		inner, err := sqlite.Open(context.Background(), filepath.Join(dir, name+".db"))
		require.NoError(t, err)
		return everybodys{seal.New(inner, master)}
	})
}

type lab struct {
	t      *testing.T
	path   string
	inner  *sqlite.Log
	log    *seal.Log
	master *seal.File
}

func open(t *testing.T) *lab {
	l := &lab{t: t, path: filepath.Join(t.TempDir(), "log.db"), master: keys(t)}
	var err error
	l.inner, err = sqlite.Open(context.Background(), l.path)
	require.NoError(t, err)
	l.log = seal.New(l.inner, l.master)
	t.Cleanup(func() { assert.NoError(t, l.log.Close()) })
	return l
}

func (l *lab) append(s events.Stream, expected events.Version, owner, payload string) error {
	_, err := l.log.Append(context.Background(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: s, Expected: expected, Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Now(),
		By: domain.Actor{Role: domain.ActorParticipant, Subject: "canary-subject"}, Owner: owner, Payload: []byte(payload)}}}}})
	return err
}

// files returns everything that the database keeps, the write-ahead log included.
func (l *lab) files() []byte {
	var all []byte
	list, err := filepath.Glob(l.path + "*")
	require.NoError(l.t, err)
	require.NotEmpty(l.t, list)
	for _, f := range list {
		b, err := os.ReadFile(f)
		require.NoError(l.t, err)
		all = append(all, b...)
	}
	return all
}

func TestNothingPersonalIsReadableInTheDatabase(t *testing.T) {
	l := open(t)
	require.NoError(t, l.append("couple/S/1", 0, "S/1/a", `{"note":"canary-payload"}`))
	assert.NotContains(t, string(l.files()), "canary")
	raw, err := l.inner.Read(context.Background(), 0, 10)
	require.NoError(t, err)
	assert.True(t, raw[0].Sealed)
	_, err = events.Decode(raw[0])
	assert.ErrorIs(t, err, events.ErrSealed)
	list, err := l.log.Read(context.Background(), 0, 10)
	require.NoError(t, err)
	assert.Equal(t, "canary-subject", list[0].By.Subject)
	assert.JSONEq(t, `{"note":"canary-payload"}`, string(list[0].Payload))
}

func TestErasure(t *testing.T) {
	l, ctx := open(t), context.Background()
	require.NoError(t, l.append("couple/S/1", 0, "S/1/a", `{}`))
	require.NoError(t, l.append("couple/S/1", 1, "S/1/b", `{"b":1}`))
	before, err := l.log.WrappedKeys(ctx, []string{"S/1/a"})
	require.NoError(t, err)
	require.Len(t, before, 1)
	require.True(t, bytes.Contains(l.files(), before[0].Wrapped), "the test would notice nothing")

	require.NoError(t, l.log.Erase(ctx, "S/1/a"))
	assert.False(t, bytes.Contains(l.files(), before[0].Wrapped), "the wrapped key is still in the database or its write-ahead log")
	list, err := l.log.ReadStream(ctx, "couple/S/1", 0, 0)
	require.NoError(t, err)
	assert.True(t, list[0].Erased)
	assert.Empty(t, list[0].Payload)
	assert.Empty(t, list[0].By.Subject)
	assert.JSONEq(t, `{"b":1}`, string(list[1].Payload), "the partner's data are as they were")
	err = l.append("couple/S/1", 2, "S/1/a", `{}`)
	assert.ErrorIs(t, err, events.ErrConflict)
	assert.ErrorIs(t, err, events.ErrErased, "no new key is ever made for who was erased")
	require.NoError(t, l.log.Erase(ctx, "S/1/a"), "again")

	require.NoError(t, l.log.Erase(ctx, "S/2/a"), "who never had a key")
	assert.ErrorIs(t, l.append("couple/S/2", 0, "S/2/a", `{}`), events.ErrErased)
}

// What is moved, changed or sealed under another key does not open, and says so to whoever reads it alone.
func TestWhatWasTamperedWithStaysSealed(t *testing.T) {
	l, ctx := open(t), context.Background()
	for v, owner := range []string{"S/1/a", "S/1/b"} {
		require.NoError(t, l.append("couple/S/1", events.Version(v), owner, `{}`))
	}
	stranger := seal.New(l.inner, keys(t))
	_, err := stranger.Read(ctx, 0, 10)
	assert.ErrorContains(t, err, "does not hold")

	records, err := l.inner.Records(ctx, 0, 1)
	require.NoError(t, err)
	whole, err := l.log.Read(ctx, 0, 1)
	require.NoError(t, err)
	tried := 0
	for i := range 8 * len(records[0].Data) {
		data := bytes.Clone(records[0].Data)
		data[i/8] ^= 1 << (i % 8)
		e, err := events.DecodeRecord(data)
		if err != nil || !e.Sealed {
			continue
		}
		tried++
		list := []events.Envelope{e}
		require.NoError(t, l.log.Unseal(ctx, list))
		if opened := list[0]; !opened.Sealed {
			// Where an event stands is what its author did not know; the tree vouches for that.
			opened.Position, opened.Version, opened.Leaf, opened.RecordedAt = whole[0].Position, whole[0].Version, whole[0].Leaf, whole[0].RecordedAt
			assert.Equal(t, whole[0], opened)
		}
	}
	assert.Greater(t, tried, 500)
}

func TestRotation(t *testing.T) {
	l, ctx := open(t), context.Background()
	require.NoError(t, l.append("couple/S/1", 0, "S/1/a", `{"x":1}`))
	require.NoError(t, l.append("couple/S/1", 1, "S/1/b", `{"x":2}`))
	require.NoError(t, l.log.Erase(ctx, "S/1/b"))
	old := l.master.Current()
	require.NoError(t, l.master.Renew())
	assert.NotEqual(t, old, l.master.Current())
	n, err := l.log.Rewrap(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, l.master.Forget())
	again := seal.New(l.inner, l.master)
	list, err := again.Read(ctx, 0, 10)
	require.NoError(t, err)
	assert.JSONEq(t, `{"x":1}`, string(list[0].Payload))
	assert.True(t, list[1].Erased)
	n, err = l.log.Rewrap(ctx)
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	_, err := seal.OpenFile(path, nil)
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	f, err := seal.NewFile(path, "signer", nil)
	require.NoError(t, err)
	_, err = seal.NewFile(path, "signer", nil)
	assert.Equal(t, domain.Conflict, domain.CodeOf(err), "a key file is never written over")
	back, err := seal.OpenFile(path, nil)
	require.NoError(t, err)
	assert.Equal(t, f.Current(), back.Current())
	assert.Equal(t, "signer", back.Signer())
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = seal.OpenFile(path, nil)
	assert.ErrorContains(t, err, "0644")
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty": "", "half a key": strings.Replace(string(good), "=\n", "\n", 1), "no signer": strings.Replace(string(good), "signer", "# signer", 1),
		"a name twice": string(good) + string(good), "nonsense": string(good) + "hello\n",
	} {
		p := filepath.Join(t.TempDir(), "keys")
		require.NoError(t, os.WriteFile(p, []byte(text), 0o600))
		_, err := seal.OpenFile(p, nil)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), name)
		for line := range strings.Lines(string(good)) {
			if key, ok := strings.CutPrefix(line, "master "); ok && err != nil {
				assert.NotContains(t, err.Error(), strings.Fields(key)[1], "an error shows no key")
			}
		}
	}
}
