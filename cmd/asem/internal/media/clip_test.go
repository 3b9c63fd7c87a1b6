package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func (w *world) past(t testing.TB) domain.Past {
	t.Helper()
	past, err := w.Executor.Past(t.Context(), "S", "1")
	require.NoError(t, err)
	return past
}

func (w *world) clip(t testing.TB, code string) Clip {
	t.Helper()
	c, ok := ClipOf(w.past(t), Couple{"S", "1"}, code)
	require.True(t, ok)
	return c
}

// cut cuts the clip of the world.
func (w *world) cut(t testing.TB) {
	t.Helper()
	ready, o := w.Prepare(w.clip(t, "c1"))
	require.True(t, !ready && o.Working)
	w.Wait()
	ready, o = w.Prepare(w.clip(t, "c1"))
	require.True(t, ready, o.Problem)
}

func (w *world) read(t testing.TB, code string) []byte {
	t.Helper()
	r, err := w.OpenClip(w.clip(t, code))
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	return b
}

// run runs ffmpeg and returns what it prints.
func run(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	tools := needTools(t)
	path := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.WriteFile(path, in, 0o600))
	out, err := tools.run(t.Context(), tools.ffmpeg, append([]string{"-nostdin", "-v", "error", "-i", path}, args...)...)
	require.NoError(t, err)
	return out
}

// numbers reads from each picture of a video drawn by synthetic/make.sh which it is.
func numbers(t testing.TB, film []byte) (list []int) {
	t.Helper()
	const width, height = 320, 180
	pictures := run(t, film, "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-")
	require.Zero(t, len(pictures)%(width*height))
	for ; len(pictures) > 0; pictures = pictures[width*height:] {
		n := 0
		for i := range 12 {
			n *= 2
			if pictures[166*width+40+20*i+10] > 128 {
				n++
			}
		}
		list = append(list, n)
	}
	return list
}

// ticks returns when in a video it ticks, in seconds.
func ticks(t testing.TB, film []byte) (list []float64) {
	t.Helper()
	const rate = 48000
	sound := run(t, film, "-ac", "1", "-ar", "48000", "-f", "s16le", "-")
	quiet := rate
	for i := 0; i+1 < len(sound); i += 2 {
		level := math.Abs(float64(int16(uint16(sound[i]) | uint16(sound[i+1])<<8))) //nolint:gosec // two bytes are a sample
		if level > 6000 && quiet > rate/4 {
			list = append(list, float64(i/2)/rate)
		}
		if quiet++; level > 6000 {
			quiet = 0
		}
	}
	return list
}

// film draws numbered pictures at a rate, with a tick in the middle of every second, and converts it as an upload would be.
func film(t testing.TB, rate string) ([]byte, Facts) {
	t.Helper()
	tools := needTools(t)
	path := filepath.Join(t.TempDir(), "film.mp4")
	require.NoError(t, tools.command(t.Context(), tools.ffmpeg, "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "color=c=gray:s=320x180:r="+rate+":d=4,format=yuv420p,geq=lum='if(between(Y,156,175)*between(X,40,279),if(mod(floor(N/pow(2,11-floor((X-40)/20))),2),235,16),110)':cb=128:cr=128",
		"-f", "lavfi", "-i", "aevalsrc='0.9*sin(2*PI*2000*t)*between(mod(t,1),0.5,0.52)':s=48000:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", path).Run())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	out, is, err := convert(t, b)
	require.NoError(t, err)
	return out, is
}

func cutOf(t testing.TB, plain []byte, is Facts, fromMs, toMs int) (out []byte, cut Facts) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, needTools(t).Cut(t.Context(), bytes.NewReader(plain), int64(len(plain)), dir, fromMs, toMs, is.RateNum, is.RateDen, func(r *io.SectionReader, facts Facts) (err error) {
		cut = facts
		out, err = io.ReadAll(r)
		return err
	}))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	return out, cut
}

// At t ms a clip shows and lets hear what the recording does t ms after the clip's beginning, to the frame, and nothing of before or after.
func TestCutsAreExact(t *testing.T) {
	needTools(t)
	stretches := [][2]int{{0, 700}, {1013, 3027}, {1999, 2001}, {3000, 4000}}
	for _, rate := range []string{"25", "30000/1001", "60"} {
		t.Run(rate, func(t *testing.T) {
			plain, is := film(t, rate)
			for n, number := range numbers(t, plain) {
				require.Equal(t, n, number, "the film")
			}
			require.InDeltaSlice(t, []float64{0.5, 1.5, 2.5, 3.5}, ticks(t, plain), 0.005)
			for _, s := range stretches {
				out, cut := cutOf(t, plain, is, s[0], s[1])
				var want []int
				var sound []float64
				for k := 0; k*1000*is.RateDen < (s[1]-s[0])*is.RateNum; k++ {
					want = append(want, s[0]*is.RateNum/(1000*is.RateDen)+k)
				}
				for tick := 0.5; tick < float64(s[1])/1000; tick++ {
					if at := tick - float64(s[0])/1000; at >= 0 {
						sound = append(sound, at)
					}
				}
				assert.Equal(t, want, numbers(t, out), s)
				assert.InDeltaSlice(t, sound, ticks(t, out), 0.005, s)
				assert.InDelta(t, len(want)*1000*is.RateDen/is.RateNum, cut.DurationMs, 1, s)
				cut.DurationMs = is.DurationMs
				assert.Equal(t, is, cut)
			}
		})
	}
	for _, name := range []string{"two-shapes.mp4", "two-shapes.webm"} {
		out, _ := cutOf(t, clip(t, name), facts, 7000, 8000)
		got := numbers(t, out)
		assert.Len(t, got, 25, name)
		assert.Equal(t, []int{175, 199}, []int{got[0], got[len(got)-1]}, name)
	}
	silent := run(t, clip(t, "two-shapes.mp4"), "-an", "-c:v", "copy", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-")
	out, cut := cutOf(t, silent, facts, 1000, 2000)
	assert.Len(t, numbers(t, out), 25)
	assert.False(t, cut.Sound)
}

// The tags of a clip are those of every clip: what kind of file it is, and nothing of its origin.
func TestClipsTellNothing(t *testing.T) {
	tools := needTools(t)
	marked := run(t, clip(t, "two-shapes.mp4"), "-c", "copy", "-metadata", "title=Wave 2 couple 017", "-metadata", "creation_time=2026-03-04T05:06:07Z", "-metadata:s:v", "handler_name=SecretCam 9",
		"-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-")
	require.True(t, bytes.Contains(marked, []byte("couple 017")))
	out, _ := cutOf(t, marked, facts, 1000, 2000)
	path := filepath.Join(t.TempDir(), "clip.mp4")
	require.NoError(t, os.WriteFile(path, out, 0o600))
	text, err := tools.run(t.Context(), tools.ffprobe, "-v", "error", "-show_streams", "-show_format", "-show_chapters", "-of", "json", path)
	require.NoError(t, err)
	var said struct {
		Streams  []struct{ Tags map[string]string }
		Format   struct{ Tags map[string]string }
		Chapters []any
	}
	require.NoError(t, json.Unmarshal(text, &said))
	require.Len(t, said.Streams, 2)
	assert.Equal(t, map[string]string{"encoder": "Lavc libx264", "language": "und", "handler_name": "VideoHandler", "vendor_id": "[0][0][0][0]"}, said.Streams[0].Tags)
	assert.Equal(t, map[string]string{"language": "und", "handler_name": "SoundHandler", "vendor_id": "[0][0][0][0]"}, said.Streams[1].Tags)
	assert.Equal(t, map[string]string{"major_brand": "isom", "minor_version": "512", "compatible_brands": "isomiso2avc1mp41"}, said.Format.Tags)
	assert.Empty(t, said.Chapters)
}

// What is shown of a clip is a file of its own, under a key of its own.
func TestClipsAreCut(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	w.do(t, domain.CutClip{Study: "S", Couple: "1", Clip: "all", Interaction: "i1", EndMs: 11_961}, domain.CutClip{Study: "S", Couple: "1", Clip: "late", Interaction: "i1", StartMs: 40, EndMs: 12_000})
	_, ok := ClipOf(w.past(t), Couple{"S", "1"}, "c1")
	assert.False(t, ok, "there is no recording yet")
	plain := w.keep(t)
	v, _ := w.kept(t)
	ready, _ := w.Prepare(w.clip(t, "all"))
	assert.True(t, ready)
	assert.True(t, bytes.Equal(plain, w.read(t, "all")), "the whole recording is shown as it is")
	assert.Equal(t, []string{v.Video + videoFile}, w.files(t))
	_, err := w.OpenClip(w.clip(t, "c1"))
	assert.Equal(t, domain.NotFound, domain.CodeOf(err), "and never in the place of a clip")

	other := w.library(t) // another server, at the same time
	require.NoError(t, other.Start(t.Context()))
	for range 3 {
		for _, l := range []*Library{w.Library, other} {
			require.NoError(t, l.CutAll(t.Context(), Couple{"S", "1"}))
			o, ok := l.Outcome("S", "1", "i1", "c1")
			assert.True(t, ok && o.Working)
		}
	}
	w.Wait()
	other.Wait()
	assert.Equal(t, []string{v.Video + ".1000-11000" + videoFile, v.Video + ".40-12000" + videoFile, v.Video + videoFile}, w.files(t))
	for _, l := range []*Library{w.Library, other} {
		_, ok := l.Outcome("S", "1", "i1", "c1")
		assert.False(t, ok, "nothing is left to do")
	}
	past := w.clip(t, "c1")
	past.StartMs, past.EndMs = 13_000, 12_000
	assert.ErrorContains(t, w.Library.cut(t.Context(), past), "begins at 13.0 s, but the video ends at 12.0 s")
	got := numbers(t, w.read(t, "c1"))
	assert.Equal(t, []int{250, 25, 274}, []int{len(got), got[0], got[249]})
	key, _ := v.Key()
	_, err = w.store.Open(v.Video+".1000-11000", key)
	assert.Error(t, err, "a key of its own")
	_, key, err = w.clip(t, "c1").file()
	require.NoError(t, err)
	_, err = w.store.Open(v.Video, key)
	assert.Error(t, err, "which does not open the recording")
}

// A server that ends while it cuts leaves nothing, and the next goes on.
func TestCuttingIsBrokenOff(t *testing.T) {
	needTools(t)
	w := newWorld(t)
	w.keep(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := w.library(t)
	require.NoError(t, l.Start(ctx))
	l.cuts <- struct{}{} // another clip is being cut
	_, o := l.Prepare(w.clip(t, "c1"))
	require.True(t, o.Working)
	cancel()
	l.Wait()
	assert.Len(t, w.files(t), 1)
	for wait := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(wait*20)*time.Millisecond)
		_ = w.Library.cut(ctx, w.clip(t, "c1")) // broken off anywhere, or done
		cancel()
		for _, f := range w.files(t) {
			assert.NotContains(t, f, unfinished)
		}
	}
	w.Prepare(w.clip(t, "c1"))
	w.Wait()
	assert.Len(t, numbers(t, w.read(t, "c1")), 250)
}

// Whenever a recording is deleted while a clip is cut from it, no clip stays.
func TestDeletedWhileCut(t *testing.T) {
	needTools(t)
	for wait := range 4 {
		w := newWorld(t)
		w.keep(t)
		v, _ := w.kept(t)
		w.Prepare(w.clip(t, "c1"))
		time.Sleep(time.Duration(wait*60) * time.Millisecond)
		require.NoError(t, w.Delete(t.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, Couple{"S", "1"}, v.Video, domain.VideoReplaced))
		w.Wait()
		assert.Empty(t, w.files(t))
	}
}

// Without ffmpeg nothing but the whole recording is shown in the place of a whole recording, and who looks after the server reads what to do. What fails is not tried again at once.
func TestClipsWithoutFFmpeg(t *testing.T) {
	w := newWorld(t)
	w.keep(t)
	var log bytes.Buffer
	w.Logger, w.Tools = slog.New(slog.NewTextHandler(&log, nil)), Tools{}
	for range 3 {
		w.Prepare(w.clip(t, "c1"))
		w.Wait()
	}
	ready, o := w.Prepare(w.clip(t, "c1"))
	assert.False(t, ready)
	assert.Contains(t, o.Problem, "could not be cut")
	assert.Equal(t, 1, strings.Count(log.String(), "apt-get install ffmpeg"))
	assert.Len(t, w.files(t), 1)
	w.now = w.now.Add(retryAfter)
	_, o = w.Prepare(w.clip(t, "c1"))
	assert.True(t, o.Working)
	w.Wait()
	assert.Equal(t, 2, strings.Count(log.String(), "apt-get install ffmpeg"))
}
