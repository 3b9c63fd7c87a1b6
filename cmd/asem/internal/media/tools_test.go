package media

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func clip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("synthetic", name))
	require.NoError(t, err)
	return b
}

// needTools skips a test, or fails it where ASEM_REQUIRE_FFMPEG=1 says that it may not be skipped.
func needTools(t testing.TB) Tools {
	t.Helper()
	tools := FindTools()
	if err := tools.Err(); err != nil {
		if os.Getenv("ASEM_REQUIRE_FFMPEG") == "1" {
			t.Fatal(err)
		}
		t.Skip("ffmpeg is not installed; Debian: apt-get install ffmpeg")
	}
	return tools
}

func TestSniff(t *testing.T) {
	for name, want := range map[string]string{"two-shapes.mp4": "mp4", "two-shapes.webm": "webm"} {
		got, err := Sniff(clip(t, name)[:512])
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for what, says := range map[string]string{
		"":                            "empty",
		"%PDF-1.7 and more of it":     "application/pdf",
		"RIFF....AVI LIST":            "AVI",
		"#EXTM3U\nhttp://example.org": "text/plain",
		"\x89PNG\r\n\x1a\n":           "image/png",
		"\x00\x01\x02\x03":            "unknown",
	} {
		_, err := Sniff([]byte(what))
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		assert.ErrorContains(t, err, says)
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("....ftypisom"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := Sniff(b)
		if (err == nil) != (kind == "mp4" || kind == "webm") {
			t.Fatal(kind, err)
		}
	})
}

func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"streams":[{"codec_type":"video","codec_name":"h264","width":320,"height":180,"avg_frame_rate":"25/1","duration":"12.0"}],"format":{"duration":"12"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if is, err := factsOf(b); err == nil && (is.Width <= 0 || is.Height <= 0 || is.DurationMs < 0 || is.Codec == "") {
			t.Fatalf("%+v", is)
		}
	})
}

// What is said of the synthetic clips is what ffprobe says.
func TestSynthetic(t *testing.T) {
	tools := needTools(t)
	for _, c := range Synthetic() {
		is, err := tools.Probe(t.Context(), bytes.NewReader(c.File), int64(len(c.File)))
		require.NoError(t, err)
		assert.InDelta(t, c.DurationMs, is.DurationMs, 30)
		is.DurationMs = c.DurationMs
		assert.Equal(t, c.Facts, is)
		assert.Less(t, len(c.File), 150_000)
	}
}

func TestRateFor(t *testing.T) {
	for was, want := range map[[2]int][2]int{{25, 1}: {25, 1}, {2997, 100}: {30000, 1001}, {0, 0}: {25, 1}, {119880, 1000}: {60, 1}, {15, 1}: {24000, 1001}, {1000, 33}: {30, 1}, {50000, 1001}: {50, 1}} {
		num, den := rateFor(was[0], was[1])
		assert.Equal(t, want, [2]int{num, den}, was)
	}
}

// convert converts bytes, and returns what came out.
func convert(t testing.TB, b []byte) (out []byte, is Facts, err error) {
	t.Helper()
	dir := t.TempDir()
	err = needTools(t).Convert(t.Context(), bytes.NewReader(b), int64(len(b)), dir, nil, func(r *io.SectionReader, facts Facts) error {
		is = facts
		var err error
		out, err = io.ReadAll(r)
		return err
	})
	left, e := os.ReadDir(dir)
	require.NoError(t, e)
	assert.Empty(t, left, "nothing is left")
	return out, is, err
}

func TestConvert(t *testing.T) {
	needTools(t)
	for _, name := range []string{"two-shapes.mp4", "two-shapes.webm"} {
		t.Run(name, func(t *testing.T) {
			out, is, err := convert(t, clip(t, name))
			require.NoError(t, err)
			assert.InDelta(t, 12000, is.DurationMs, 80)
			is.DurationMs = 0
			assert.Equal(t, Facts{0, 25, 1, 320, 180, "h264", true}, is)
			assert.Less(t, bytes.Index(out, []byte("moov")), bytes.Index(out, []byte("mdat")), "the index is in front")
		})
	}
}

// What a camera wrote about itself, the place and the day is not in what comes out.
func TestMetadataAreStripped(t *testing.T) {
	tools := needTools(t)
	marked := filepath.Join(t.TempDir(), "marked.mp4")
	cmd := tools.command(t.Context(), tools.ffmpeg, "-nostdin", "-v", "error", "-i", filepath.Join("synthetic", "two-shapes.mp4"), "-c", "copy", "-metadata", "title=Wave 2 couple 017",
		"-metadata", "creation_time=2026-03-04T05:06:07Z", "-metadata", "location=+52.5200+013.4050/", "-metadata:s:v", "handler_name=SecretCam 9", "-t", "2", marked)
	require.NoError(t, cmd.Run())
	was, err := os.ReadFile(marked)
	require.NoError(t, err)
	require.True(t, bytes.Contains(was, []byte("couple 017")))
	out, _, err := convert(t, was)
	require.NoError(t, err)
	for _, tells := range []string{"couple 017", "SecretCam", "+52.52", "2026-03-04"} {
		assert.False(t, bytes.Contains(out, []byte(tells)), tells)
	}
}

func TestBadFiles(t *testing.T) {
	tools := needTools(t)
	dir := t.TempDir()
	make := func(name string, args ...string) []byte {
		path := filepath.Join(dir, name)
		require.NoError(t, tools.command(t.Context(), tools.ffmpeg, append(append([]string{"-nostdin", "-v", "error"}, args...), path)...).Run())
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	good, web := clip(t, "two-shapes.mp4"), clip(t, "two-shapes.webm")
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"zero length":          {nil, "empty"},
		"a renamed text":       {[]byte(strings.Repeat("this is no video\n", 100)), "neither MP4 nor WebM"},
		"a playlist":           {[]byte("#EXTM3U\n#EXTINF:1\nhttp://127.0.0.1/x\n"), "neither MP4 nor WebM"},
		"cut within":           {good[:len(good)/2], "cut short"},
		"cut within, WebM":     {web[:len(web)/2], "cut short"},
		"cut after the head":   {good[:600], "cannot be read as a video"},
		"only the first bytes": {good[:16], "cannot be read as a video"},
		"only sound":           {make("sound.mp4", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"), "no picture"},
		"an unknown codec":     {bytes.ReplaceAll(good, []byte("avc1"), []byte("zzzz")), "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := convert(t, c.file)
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%v", err)
			assert.ErrorContains(t, err, c.says)
		})
	}
	_, is, err := convert(t, make("other.mp4", "-f", "lavfi", "-i", "testsrc=d=1:s=1921x1081:r=15", "-c:v", "mpeg4"))
	require.NoError(t, err, "another codec is converted")
	assert.Equal(t, "h264", is.Codec)
	assert.LessOrEqual(t, is.Width, 1280)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Error(t, tools.Convert(ctx, bytes.NewReader(good), int64(len(good)), dir, nil, nil))
	err = Tools{}.Convert(t.Context(), bytes.NewReader(good), int64(len(good)), dir, nil, nil)
	assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
	assert.ErrorContains(t, err, "apt-get install ffmpeg")
}
