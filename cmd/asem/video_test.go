package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/projections"
)

// film stores a study with one couple that was filmed, and its video.
func film(t *testing.T, s storage) domain.VideoStored {
	t.Helper()
	var v domain.VideoStored
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		day := domain.NewDate(2025, 3, 1)
		by := domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}
		var orders []domain.Order
		for _, c := range []domain.Command{
			domain.CreateStudy{Study: "S", Title: "A study", Zone: "Europe/Berlin"},
			domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation, Roles: []domain.RoleLabel{{Role: "A", Label: "wife"}, {Role: "B", Label: "husband"}},
				Waves: []domain.Wave{{Index: 1, Label: "T1", ClosesDaysLate: 30}}, Tasks: []domain.Task{{Code: "talk", Title: "A talk", Wave: 1}}}},
			domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: day, Participants: []domain.NewParticipant{{Role: "A", Code: canaryCode}, {Role: "B", Code: partnerCode}}},
			domain.GiveConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeVideo, Version: "1"},
			domain.GiveConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeVideo, Version: "1"},
			domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "i1", Task: "talk", DurationMs: 12_000, HeldAt: day.At(12, time.UTC)},
			domain.CutClip{Study: "S", Couple: "1", Clip: "c1", Interaction: "i1", EndMs: 12_000},
		} {
			orders = append(orders, domain.Order{By: by, At: day.At(12, time.UTC), Command: c})
		}
		if _, err := h.exec.ExecuteAll(t.Context(), uuid.New(), orders); err != nil {
			return err
		}
		require.NoError(t, h.openVideos(newLogger(&bytes.Buffer{})))
		clip := media.Synthetic()[0]
		var err error
		v, err = h.videos.Keep(t.Context(), by, media.Couple{Study: "S", Code: "1"}, "i1", clip.Facts, bytes.NewReader(clip.File))
		return err
	}))
	return v
}

// read opens the clip of a couple with what a folder holds, and returns what it holds and what it is; nil where it cannot be opened.
func (s storage) read(t *testing.T, study, couple, clip string) (plain []byte, format string) {
	t.Helper()
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		if err := h.openVideos(newLogger(&bytes.Buffer{})); err != nil {
			return err
		}
		past, err := h.exec.Past(t.Context(), study, couple)
		require.NoError(t, err)
		c, ok := media.ClipOf(past, media.Couple{Study: study, Code: couple}, clip)
		if !ok {
			return nil
		}
		r, err := h.videos.OpenClip(c)
		if domain.CodeOf(err) == domain.NotFound {
			return nil
		}
		require.NoError(t, err)
		plain, err = io.ReadAll(r)
		format = c.Format()
		return errors.Join(err, r.Close())
	}))
	return plain, format
}

// opens reports whether the video of couple 1 can be opened with what a folder holds.
func (s storage) opens(t *testing.T) bool {
	plain, _ := s.read(t, "S", "1", "c1")
	return plain != nil
}

// Erasing one partner destroys the couple's video, and closes every copy of its file: with what is there, and with what an older backup brings back.
func TestErasureClosesVideos(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	s := storage{Data: data}
	name := film(t, s).Video + ".video"
	must(t, "backup", backups, "--data", data)
	copied, err := os.ReadFile(filepath.Join(data, "media", name))
	require.NoError(t, err)
	require.True(t, s.opens(t))
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	restore := func(to string) storage {
		r := storage{Data: filepath.Join(dir, to), Keys: filepath.Join(data, "keys")}
		must(t, "restore", files[0], "--data", r.Data, "--master-key-file", r.Keys)
		return r
	}
	require.True(t, restore("before").opens(t), "the test would notice nothing")

	must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "B", "--backups", backups, "--yes-erase-for-good")
	_, err = os.Stat(filepath.Join(data, "media", name))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(filepath.Join(backups, "videos", name))
	require.ErrorIs(t, err, fs.ErrNotExist, "beside the backups too")
	require.NoError(t, os.WriteFile(filepath.Join(data, "media", name), copied, 0o600))
	assert.False(t, s.opens(t))
	after := restore("after")
	require.NoError(t, os.MkdirAll(filepath.Join(after.Data, "media"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(after.Data, "media", name), copied, 0o600))
	assert.False(t, after.opens(t), "an older backup")
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		list, err := h.log.Read(t.Context(), 0, 1000)
		require.NoError(t, err)
		types := map[string]int{}
		for _, e := range list {
			types[e.Type]++
		}
		assert.Equal(t, 1, types["video.deleted"])
		of := projections.NewRecordings(h.log)
		filmed, err := of.Filmed(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []projections.CoupleRef{{Study: "S", Couple: "1"}}, filmed)
		require.NoError(t, h.openVideos(newLogger(&bytes.Buffer{})))
		old := time.Now().Add(-2 * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(data, "media", name), old, old))
		return h.sweepVideosOnce(t.Context(), of)
	}))
	_, err = os.Stat(filepath.Join(data, "media", name))
	assert.True(t, errors.Is(err, fs.ErrNotExist), "what somebody put back is swept")
}

// Videos are copied beside the backups, once, and come back by a restore; what is not in order is said.
func TestVideosAreBackedUp(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	s := storage{Data: data, Media: filepath.Join(dir, "elsewhere")}
	name := film(t, s).Video + ".video"
	_, message, code := asem(t, "backup", backups, "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "this folder lacks 1 of 1; name the folder of the videos with --media")
	assert.Contains(t, must(t, "backup", backups, "--data", data, "--media", s.Media), "videos in "+filepath.Join(backups, "videos")+": 1\n")
	kept := filepath.Join(backups, "videos", name)
	was, err := os.Stat(kept)
	require.NoError(t, err)
	stray := filepath.Join(backups, "videos", uuid.NewString()+".video")
	require.NoError(t, os.WriteFile(stray, []byte("of a video that was deleted"), 0o600))
	must(t, "backup", backups, "--data", data, "--media", s.Media)
	is, err := os.Stat(kept)
	require.NoError(t, err)
	assert.True(t, os.SameFile(was, is), "copied once")
	assert.NoFileExists(t, stray)

	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	restore := func(to string) (out, message string, code int, r storage) {
		r = storage{Data: filepath.Join(dir, to), Keys: filepath.Join(data, "keys")}
		out, message, code = asem(t, "restore", files[0], "--data", r.Data, "--master-key-file", r.Keys)
		return out, message, code, r
	}
	out, _, code, r := restore("whole")
	assert.Zero(t, code)
	assert.Contains(t, out, "restored 1 of 1 videos\n")
	assert.True(t, r.opens(t))

	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(kept, text, 0o600))
	out, message, code, r = restore("damaged")
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "damaged, or another's")
	assert.Contains(t, out, "restored 0 of 1 videos; the others")
	assert.False(t, r.opens(t))
	require.NoError(t, os.Remove(kept))
	out, _, code, _ = restore("missing")
	assert.Zero(t, code)
	assert.Contains(t, out, "restored 0 of 1 videos; the others were deleted since")
}

// A server destroys the video of who withdraws the consent, without anybody's doing.
func TestServerDestroysWithdrawnVideos(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data"), Media: filepath.Join(t.TempDir(), "elsewhere")}
	v := film(t, s)
	require.FileExists(t, filepath.Join(s.Media, v.Video+".video"))
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		_, err := h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.WithdrawConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeVideo}})
		return err
	}))
	serveOn(t, "--data", s.Data, "--media", s.Media)
	assert.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(s.Media, v.Video+".video"))
		return errors.Is(err, fs.ErrNotExist)
	}, 20*time.Second, 20*time.Millisecond)
}

// The demo's synthetic videos are there once, however often it starts.
func TestDemoVideos(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	must(t, "simulate", "--couples", "3", "--separations", "0", "--data", s.Data)
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		for range 2 {
			require.NoError(t, h.demoVideos(t.Context(), newLogger(&bytes.Buffer{}), "DEMO"))
		}
		files, err := filepath.Glob(filepath.Join(s.Data, "media", "*.video"))
		assert.Len(t, files, 3)
		return err
	}))
	for n, want := range media.Synthetic() { // as they are, so that nothing has to be cut
		got, format := s.read(t, "DEMO", []string{"001", "002"}[n], "shapes-1")
		assert.True(t, bytes.Equal(want.File, got))
		assert.Equal(t, []string{"video/mp4", "video/webm"}[n], format)
	}
}
