package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
)

// world is a log with one couple that was filmed, and a library beside it.
type world struct {
	*Library
	log  *seal.Log
	dir  string
	path string // of the database
	keys *seal.File
	now  time.Time
}

var held = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), now: held.Add(time.Hour)}
	w.path = filepath.Join(w.dir, "log.db")
	archive, err := sqlite.Open(t.Context(), w.path)
	require.NoError(t, err)
	signer, _, err := proof.NewSigner()
	require.NoError(t, err)
	w.keys, err = seal.NewFile(filepath.Join(w.dir, "keys"), signer, nil)
	require.NoError(t, err)
	w.log = seal.New(archive, w.keys)
	t.Cleanup(func() { require.NoError(t, w.log.Close()) })
	w.Library = w.library(t)
	require.NoError(t, w.Start(t.Context()))
	w.do(t, domain.CreateStudy{Study: "S", Title: "A study", Zone: "Etc/UTC"},
		domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation, KeepVideosDays: 90,
			Roles: []domain.RoleLabel{{Role: "A", Label: "wife"}, {Role: "B", Label: "husband"}}, Waves: []domain.Wave{{Index: 1, Label: "T1", ClosesDaysLate: 30}},
			Tasks: []domain.Task{{Code: "conflict", Title: "A conflict", Wave: 1}}}},
		domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: domain.NewDate(2026, 3, 1), Participants: []domain.NewParticipant{{Role: "A", Code: "P1"}, {Role: "B", Code: "P2"}}},
		domain.GiveConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeVideo, Version: "1"},
		domain.GiveConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeVideo, Version: "1"},
		domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "i1", Task: "conflict", DurationMs: 12_000, HeldAt: held},
		domain.CutClip{Study: "S", Couple: "1", Clip: "c1", Interaction: "i1", StartMs: 1000, EndMs: 11_000})
	return w
}

// library is a server started on what is there.
func (w *world) library(t testing.TB) *Library {
	t.Helper()
	l, err := Open(Config{Dir: filepath.Join(w.dir, "media"), Executor: events.NewExecutor(w.log), Tools: FindTools(), MaxBytes: 20_000_000, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Keyed: keyed, Now: func() time.Time { return w.now }})
	require.NoError(t, err)
	return l
}

func keyed(purpose string, parts ...string) []byte {
	sum := sha256.Sum256([]byte("secret\x00" + purpose + "\x00" + strings.Join(parts, "\x00")))
	return sum[:]
}

func (w *world) do(t testing.TB, commands ...domain.Command) {
	t.Helper()
	for _, c := range commands {
		_, err := w.Executor.Execute(t.Context(), domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, At: held, Command: c})
		require.NoError(t, err, "%T", c)
	}
}

func (w *world) upload(size int, sum string) Upload {
	return Upload{Study: "S", Couple: "1", Interaction: "i1", User: "staff-1", Size: int64(size), SHA256: sum}
}

// files lists what lies in the folder of the library, but for its mark.
func (w *world) files(t testing.TB) (list []string) {
	t.Helper()
	root := filepath.Join(w.dir, "media")
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, path); err == nil && !d.IsDir() && rel != "owner" {
			list = append(list, rel)
		}
		return err
	}))
	return list
}

func (w *world) kept(t testing.TB) (domain.Video, bool) {
	t.Helper()
	past, err := w.Executor.Past(t.Context(), "S", "1")
	require.NoError(t, err)
	return past.Couple.VideoOf("i1")
}

var facts = Facts{DurationMs: 12_000, RateNum: 25, RateDen: 1, Width: 320, Height: 180, Codec: "h264", Sound: true}

// keep stores the synthetic clip as it is.
func (w *world) keep(t testing.TB) []byte {
	t.Helper()
	plain := clip(t, "two-shapes.mp4")
	_, err := w.Keep(t.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, Couple{"S", "1"}, "i1", facts, bytes.NewReader(plain))
	require.NoError(t, err)
	return plain
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// An upload survives broken connections and a killed server, is taken in, and what is served is the converted video.
func TestUploadIsResumed(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	file := clip(t, "two-shapes.mp4")
	u, err := w.Begin(t.Context(), w.upload(len(file), sumOf(file)))
	require.NoError(t, err)
	n, err := w.Append(t.Context(), u.ID, 0, io.MultiReader(bytes.NewReader(file[:10_000]), iotest.ErrReader(errors.New("reset by peer"))))
	assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
	assert.EqualValues(t, 10_000, n, "what came before the break is kept")
	n, err = w.Append(t.Context(), u.ID, 0, bytes.NewReader(file))
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
	assert.EqualValues(t, 10_000, n)

	l := w.library(t) // the server was killed
	u, err = l.Upload(u.ID)
	require.NoError(t, err)
	assert.EqualValues(t, 10_000, u.Received)
	n, err = l.Append(t.Context(), u.ID, u.Received, bytes.NewReader(file[10_000:]))
	require.NoError(t, err)
	assert.EqualValues(t, len(file), n)
	for _, name := range w.files(t) {
		b, err := os.ReadFile(filepath.Join(w.dir, "media", name))
		require.NoError(t, err)
		for _, plain := range []string{"ftyp", "staff-1", "i1\"", sumOf(file)} {
			assert.False(t, bytes.Contains(b, []byte(plain)), "%s is not encrypted: %s", name, plain)
		}
	}

	l = w.library(t) // and again, before it began to convert
	require.NoError(t, l.Start(t.Context()))
	l.Wait()
	v, ok := w.kept(t)
	require.True(t, ok)
	assert.Equal(t, "video/mp4", v.Format)
	assert.Equal(t, []int{25, 1, 320, 180}, []int{v.RateNum, v.RateDen, v.Width, v.Height})
	assert.Equal(t, []string{v.Video + ".1000-11000" + videoFile, v.Video + videoFile}, w.files(t), "nothing is left of the upload, and the clip is there")
	key, _ := v.Key()
	r, err := l.store.Open(v.Video, key)
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	assert.Equal(t, sumOf(plain), v.SHA256)
	assert.EqualValues(t, len(plain), v.Bytes)
	_, err = l.Begin(t.Context(), w.upload(1, ""))
	assert.Equal(t, domain.Conflict, domain.CodeOf(err), "there is a video")
}

// slow is a sender who takes its time.
type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.r.Read(p)
}

// A server that is killed in the middle of an upload leaves whole pieces alone; the upload goes on after them.
func TestKilledDuringAnUpload(t *testing.T) {
	const size = 3*pieceSize + 5
	if dir := os.Getenv("ASEM_TEST_UPLOAD_TO"); dir != "" { // the server
		l, err := Open(Config{Dir: dir, Keyed: keyed, MaxBytes: 2 * size})
		require.NoError(t, err)
		_, _ = l.Append(t.Context(), os.Getenv("ASEM_TEST_UPLOAD"), 0, slow{bytes.NewReader(noise(size))}) // until it is killed
		return
	}
	needTools(t)
	w := newWorld(t)
	w.MaxBytes = 2 * size // as the killed server
	u, err := w.Begin(t.Context(), w.upload(size, ""))
	require.NoError(t, err)
	server := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilledDuringAnUpload$")
	server.Env = append(os.Environ(), "ASEM_TEST_UPLOAD_TO="+filepath.Join(w.dir, "media"), "ASEM_TEST_UPLOAD="+u.ID)
	require.NoError(t, server.Start())
	require.Eventually(t, func() bool {
		now, err := w.Upload(u.ID)
		return err == nil && now.Received > 0 && len(w.files(t)) > 2 // and another piece is begun
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait() // killed
	l := w.library(t)
	u, err = l.Upload(u.ID)
	require.NoError(t, err)
	require.Positive(t, u.Received)
	require.Zero(t, u.Received%pieceSize, "no half piece counts")
	require.False(t, u.Complete())
	plain := noise(size)
	_, err = l.Append(t.Context(), u.ID, u.Received, bytes.NewReader(plain[u.Received:]))
	require.NoError(t, err)
	p, err := l.pieces(u.ID)
	require.NoError(t, err)
	got := make([]byte, size)
	_, err = p.ReadAt(got, 0)
	require.NoError(t, errors.Join(err, p.close()))
	assert.True(t, bytes.Equal(plain, got))
	require.NoError(t, l.Abandon(u.ID))
	assert.Empty(t, w.files(t))
}

// Whatever is wrong with a file: its sender hears what, the log hears nothing, and nothing stays.
func TestBadUploadsLeaveNothing(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	good := clip(t, "two-shapes.mp4")
	for name, c := range map[string]struct {
		file []byte
		sum  string
		says string
	}{
		"other bytes than were sent": {good, sumOf([]byte("other")), "SHA-256 differs"},
		"a renamed text":             {[]byte(strings.Repeat("no video\n", 50)), "", "neither MP4 nor WebM"},
		"cut short":                  {good[:len(good)/2], "", "cut short"},
		"the head alone":             {good[:16], "", "cannot be read as a video"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := w.Begin(t.Context(), w.upload(len(c.file), c.sum))
			require.NoError(t, err)
			_, err = w.Append(t.Context(), u.ID, 0, bytes.NewReader(c.file))
			require.NoError(t, err)
			u, err = w.Upload(u.ID)
			require.NoError(t, err)
			w.Work(u)
			w.Wait()
			o, _ := w.Outcome("S", "1", "i1", "")
			assert.Contains(t, o.Problem, c.says)
			_, ok := w.kept(t)
			assert.False(t, ok)
			assert.Empty(t, w.files(t))
		})
	}
	for says, u := range map[string]Upload{
		"empty":             w.upload(0, ""),
		"larger than 20 MB": w.upload(20_000_001, ""),
		"hexadecimal":       w.upload(10, "xyz"),
		"no interaction":    {Study: "S", Couple: "1", Interaction: "none", Size: 1},
	} {
		_, err := w.Begin(t.Context(), u)
		assert.ErrorContains(t, err, says)
	}
	u, err := w.Begin(t.Context(), w.upload(10, ""))
	require.NoError(t, err)
	_, err = w.Append(t.Context(), u.ID, 0, strings.NewReader("more than was said"))
	assert.ErrorContains(t, err, "more bytes came")
	require.NoError(t, w.Abandon(u.ID))
	for _, f := range []io.Reader{strings.NewReader(""), io.LimitReader(zeros{}, 20_000_001)} {
		_, err := w.Receive(t.Context(), w.upload(0, ""), f)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%v", err)
	}
	assert.Empty(t, w.files(t))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReceiveAtOnce(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	u, err := w.Receive(t.Context(), w.upload(0, ""), bytes.NewReader(clip(t, "two-shapes.webm")))
	require.NoError(t, err)
	require.True(t, u.Complete())
	w.Work(u)
	w.Work(u) // twice is once
	w.Wait()
	_, ok := w.kept(t)
	assert.True(t, ok)
}

// Uploads larger than a piece are put together again, wherever they were cut.
func TestPieces(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	plain := noise(pieceSize + 3_000_000)
	u, err := w.Begin(t.Context(), w.upload(len(plain), ""))
	require.NoError(t, err)
	at := int64(0)
	for _, n := range []int{1, 2_000_000, pieceSize + 5, len(plain)} {
		at, err = w.Append(t.Context(), u.ID, at, bytes.NewReader(plain[at:min(int(at)+n, len(plain))]))
		require.NoError(t, err)
	}
	p, err := w.pieces(u.ID)
	require.NoError(t, err)
	got := make([]byte, len(plain))
	_, err = io.NewSectionReader(p, 0, p.size).ReadAt(got, 0)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(plain, got))
	_, err = p.ReadAt(got[:5], int64(len(plain)-3))
	assert.Equal(t, io.EOF, err)
	require.NoError(t, p.close())

	w.now = w.now.Add(uploadLife + time.Minute)
	require.NoError(t, w.Sweep(t.Context(), nil))
	assert.Empty(t, w.files(t), "nobody went on with it")
}

func TestTheEndOfVideos(t *testing.T) {
	needTools(t)
	couples := []Couple{{"S", "1"}}
	for name, c := range map[string]struct {
		end    func(t *testing.T, w *world)
		reason string
	}{
		"a partner no longer agrees": {func(t *testing.T, w *world) {
			w.do(t, domain.WithdrawConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeVideo})
		}, domain.VideoWithdrawn},
		"a partner is erased": {func(t *testing.T, w *world) {
			w.do(t, domain.EraseParticipant{Study: "S", Couple: "1", Role: "A"})
		}, domain.VideoErased},
		"its time is over": {func(_ *testing.T, w *world) { w.now = held.AddDate(0, 0, 91) }, domain.VideoRetention},
		"another is to come": {func(t *testing.T, w *world) {
			v, _ := w.kept(t)
			require.NoError(t, w.Delete(t.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, couples[0], v.Video, domain.VideoReplaced))
		}, domain.VideoReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.keep(t)
			w.cut(t)
			for _, f := range w.files(t) { // long ago
				require.NoError(t, os.Chtimes(filepath.Join(w.dir, "media", f), held, held))
			}
			require.NoError(t, w.Sweep(t.Context(), couples))
			_, ok := w.kept(t)
			require.True(t, ok, "there is no reason yet")
			require.Len(t, w.files(t), 2, "the recording and its clip")
			c.end(t, w)
			require.NoError(t, w.Sweep(t.Context(), couples))
			_, ok = w.kept(t)
			assert.False(t, ok)
			assert.Empty(t, w.files(t))
			list, err := w.log.Read(t.Context(), 0, 1000)
			require.NoError(t, err)
			e, err := events.Decode(list[len(list)-1])
			require.NoError(t, err)
			assert.Equal(t, c.reason, e.(domain.VideoDeleted).Reason)
			require.NoError(t, w.Sweep(t.Context(), couples))
		})
	}
}

// After a partner was erased nothing opens the video any more: not a copy of the file with the log as it is now, and not with the log and the keys of persons as the
// partner's own events still tell them.
func TestErasureOfOnePartnerClosesAllCopies(t *testing.T) {
	needTools(t)
	for _, role := range []domain.Role{"A", "B"} {
		w := newWorld(t)
		w.do(t, domain.CutClip{Study: "S", Couple: "1", Clip: "all", Interaction: "i1", EndMs: 12_000})
		plain := w.keep(t)
		w.cut(t)
		copied := map[string][]byte{}
		for _, f := range w.files(t) {
			b, err := os.ReadFile(filepath.Join(w.dir, "media", f))
			require.NoError(t, err)
			copied[f] = b
		}
		require.Len(t, copied, 2)
		require.True(t, bytes.Equal(plain, w.read(t, "all")))
		require.NotEmpty(t, w.read(t, "c1"))
		before := w.past(t)

		w.do(t, domain.EraseParticipant{Study: "S", Couple: "1", Role: role})
		require.NoError(t, w.log.Erase(t.Context(), events.ErasedOwners("S", "1", domain.ParticipantErased{Role: role})...)) // before anything was purged
		for f, b := range copied {
			require.NoError(t, os.WriteFile(filepath.Join(w.dir, "media", f), b, 0o600))
		}
		past, err := events.NewExecutor(seal.New(w.log.Archive, w.keys)).Past(context.WithoutCancel(t.Context()), "S", "1")
		require.NoError(t, err)
		parts := 0
		list, err := w.log.Read(t.Context(), 0, 1000)
		require.NoError(t, err)
		for _, at := range list {
			e, err := events.Decode(at)
			if part, is := e.(domain.VideoKeyShared); is && err == nil {
				parts++
				for f := range copied {
					_, err := w.store.Open(strings.TrimSuffix(f, videoFile), part.Part)
					assert.Error(t, err, "one part opens nothing")
				}
			}
		}
		assert.Equal(t, 1, parts, "the part of the partner who was erased cannot be read")
		for _, left := range past.Couple.Videos() {
			_, ok := left.Key()
			assert.False(t, ok)
		}
		for _, code := range []string{"all", "c1"} {
			_, ok := ClipOf(past, Couple{"S", "1"}, code)
			assert.False(t, ok)
			c, _ := ClipOf(before, Couple{"S", "1"}, code)
			c.of, _ = past.Couple.VideoOf("i1") // whoever asked nobody
			_, err := w.OpenClip(c)
			assert.Equal(t, domain.NotFound, domain.CodeOf(err))
			ready, o := w.Prepare(c)
			assert.False(t, ready || o.Working)
		}
		require.NoError(t, w.Sweep(t.Context(), []Couple{{"S", "1"}}))
		assert.Empty(t, w.files(t))
	}
}

func TestFolderOfAnother(t *testing.T) {
	dir := t.TempDir()
	c := Config{Dir: dir, Keyed: keyed}
	_, err := Open(c)
	require.NoError(t, err)
	_, err = Open(c)
	require.NoError(t, err)
	c.Keyed = func(string, ...string) []byte { return keyOf(9) }
	_, err = Open(c)
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
}

func TestWithoutFFmpeg(t *testing.T) {
	w := newWorld(t)
	w.Tools = Tools{}
	_, err := w.Begin(t.Context(), w.upload(10, ""))
	assert.ErrorContains(t, err, "apt-get install ffmpeg")
	assert.Empty(t, w.files(t))
	w.keep(t) // what is known to be fit needs no tools: the demo's clips
}
