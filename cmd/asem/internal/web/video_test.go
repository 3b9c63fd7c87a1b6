package web

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/media"
	"asem/domain"
)

// withCoding adds a task and a scheme to a protocol.
func withCoding(p *domain.Protocol) {
	p.Tasks = []domain.Task{{Code: "talk", Title: "A talk", Wave: 1}}
	p.Schemes = []domain.CodingScheme{{Code: "warm", Title: "Warmth", Unit: domain.UnitClip, Directed: domain.DirectedDyad, JudgesPerClip: 1,
		Dimensions: []domain.Dimension{{Code: "warmth", Title: "Warmth", Min: 1, Max: 7, Step: 1}}}}
}

// filmed is a couple that agreed to video and was filmed, with a clip c1 of all of it, and c2 from within.
func filmed(t *testing.T) *study {
	s := newStudy(t, withCoding)
	s.agreed("A", "B")
	s.do(domain.RecordInteraction{Study: "S", Couple: "C1", Interaction: "i1", Task: "talk", DurationMs: 12_000, HeldAt: s.clock.now()},
		domain.CutClip{Study: "S", Couple: "C1", Clip: "c1", Interaction: "i1", EndMs: 12_000},
		domain.CutClip{Study: "S", Couple: "C1", Clip: "c2", Interaction: "i1", StartMs: 2000, EndMs: 11_000})
	return s
}

func syntheticClip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "media", "synthetic", name))
	require.NoError(t, err)
	return b
}

// keep stores the synthetic clip as it is.
func (s *study) keep() []byte {
	s.t.Helper()
	b := syntheticClip(s.t, "two-shapes.mp4")
	_, err := s.videos.Keep(s.t.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, media.Couple{Study: "S", Code: "C1"}, "i1",
		media.Facts{DurationMs: 12_000, RateNum: 25, RateDen: 1, Width: 320, Height: 180, Codec: "h264"}, bytes.NewReader(b))
	require.NoError(s.t, err)
	return b
}

// asked is what came back of a request, without its body.
type asked struct {
	StatusCode int
	Header     http.Header
}

// ask sends any request, and returns what came back.
func (c *client) ask(method, path string, header http.Header, body io.Reader) (asked, []byte) {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.base+path, body)
	require.NoError(c.s.t, err)
	for k := range header {
		r.Header.Set(k, header.Get(k))
	}
	res, err := c.Do(r)
	require.NoError(c.s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.s.t, err)
	return asked{res.StatusCode, res.Header}, b
}

func (s *study) userNamed(name string) string {
	s.t.Helper()
	users, err := s.access.Users(s.t.Context())
	require.NoError(s.t, err)
	for _, u := range users {
		if u.Name == name {
			return u.User
		}
	}
	s.t.Fatal("nobody has this name")
	return ""
}

func (s *study) videoPath() string {
	return s.staffPath("/couples/" + CoupleRef(s.access, "S", "C1") + "/video")
}

// Only the judge of an assignment watches its video, while it is claimed and not submitted, and nothing tells which it is.
func TestOnlyTheJudgeWatches(t *testing.T) {
	s := filmed(t)
	plain := s.keep()
	cleo, rita := s.member("cleo", domain.ActorCoder), s.member("rita", domain.ActorCoder)
	coordinator, anonymous := s.member("ana", domain.ActorCoordinator), s.visitor()
	judge, id := s.userNamed("cleo"), uuid.NewString()
	s.do(domain.EnlistJudge{Study: "S", Judge: judge},
		domain.MakeAssignment{Study: "S", Couple: "C1", Assignment: id, Clip: "c1", Scheme: "warm", Judge: judge, Place: 1, Purpose: domain.PurposeStudy, On: enrolled})
	path := "/code/" + id + "/video"
	get := func(c *client, header http.Header) (int, []byte) {
		res, b := c.ask(http.MethodGet, path, header, nil)
		return res.StatusCode, b
	}
	status, missing := get(cleo, nil)
	assert.Equal(t, 404, status, "not claimed yet")
	s.do(domain.ClaimAssignment{Study: "S", Couple: "C1", Assignment: id, Judge: judge, At: s.clock.now()})

	res, b := cleo.ask(http.MethodGet, path, http.Header{"Range": {"bytes=100-199"}, "Sec-Fetch-Dest": {"video"}}, nil)
	assert.Equal(t, http.StatusPartialContent, res.StatusCode)
	assert.Equal(t, plain[100:200], b)
	assert.Equal(t, "bytes 100-199/"+strconv.Itoa(len(plain)), res.Header.Get("Content-Range"))
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	assert.Equal(t, "video/mp4", res.Header.Get("Content-Type"))
	assert.Equal(t, `inline; filename="clip"`, res.Header.Get("Content-Disposition"))
	for _, tells := range []string{"Last-Modified", "ETag"} {
		assert.Empty(t, res.Header.Get(tells))
	}
	status, b = get(cleo, nil)
	assert.Equal(t, 200, status)
	assert.True(t, bytes.Equal(plain, b))
	status, _ = get(cleo, http.Header{"Range": {"bytes=99999999-"}})
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, status)
	status, _ = get(cleo, http.Header{"Sec-Fetch-Dest": {"document"}})
	assert.Equal(t, 404, status, "it cannot be opened by itself")

	for name, c := range map[string]*client{"another coder": rita, "a coordinator": coordinator} {
		status, b := get(c, nil)
		assert.Equal(t, 404, status, name)
		assert.Equal(t, len(missing)-len("cleo")+len(regexp.MustCompile(`<span>(\w+)</span>`).FindSubmatch(b)[1]), len(b), "as if there were none")
	}
	status, b = get(anonymous, nil)
	assert.Equal(t, 200, status)
	assert.Contains(t, string(b), "Sign in")

	s.do(domain.SubmitRatings{Study: "S", Couple: "C1", Assignment: id, Judge: judge, Ratings: []domain.NewRating{{Dimension: "warmth", Value: 4}}, At: s.clock.now()})
	s.clock.set(s.clock.now().Add(grantLife))
	status, _ = get(cleo, nil)
	assert.Equal(t, 404, status, "submitted")
}

// give gives a clip to a new coder, who begins with it, and returns its page.
func (s *study) give(name, clip string) (*client, string) {
	s.t.Helper()
	c, id := s.member(name, domain.ActorCoder), uuid.NewString()
	judge := s.userNamed(name)
	s.do(domain.EnlistJudge{Study: "S", Judge: judge},
		domain.MakeAssignment{Study: "S", Couple: "C1", Assignment: id, Clip: clip, Scheme: "warm", Judge: judge, Place: 1, Purpose: domain.PurposeStudy, On: enrolled},
		domain.ClaimAssignment{Study: "S", Couple: "C1", Assignment: id, Judge: judge, At: s.clock.now()})
	return c, "/code/" + id
}

// What a coder gets, by whatever ranges, are the pictures of the clip, and none of before or after.
func TestACoderGetsTheClipAlone(t *testing.T) {
	needTools(t)
	s := filmed(t)
	plain := s.keep()
	cleo, page := s.give("cleo", "c2")
	get := func(header http.Header) (asked, []byte) { return cleo.ask(http.MethodGet, page+"/video", header, nil) }
	res, _ := get(nil)
	assert.Equal(t, 404, res.StatusCode, "never the recording in its place")
	got := cleo.get(page)
	assert.Contains(t, got.body, "being made ready")
	assert.NotContains(t, got.body, "<video")
	s.videos.Wait()
	got = cleo.get(page)
	assert.Contains(t, got.body, "<video")
	assert.Contains(t, got.body, `"lengthMs":9000`)
	for _, tells := range []string{"2000", "11000", "12000", "C1", "c2", "i1"} {
		assert.NotContains(t, unmarked(got.body), tells, "where in the recording, and whose it is")
	}

	res, b := get(nil)
	require.Equal(t, 200, res.StatusCode)
	assert.Equal(t, "video/mp4", res.Header.Get("Content-Type"))
	assert.Equal(t, `inline; filename="clip"`, res.Header.Get("Content-Disposition"))
	assert.NotEqual(t, len(plain), len(b))
	var parts []byte
	for len(parts) < len(b) {
		res, part := get(http.Header{"Range": {"bytes=" + strconv.Itoa(len(parts)) + "-" + strconv.Itoa(len(parts)+9999)}})
		require.Equal(t, http.StatusPartialContent, res.StatusCode)
		assert.True(t, strings.HasSuffix(res.Header.Get("Content-Range"), "/"+strconv.Itoa(len(b))))
		parts = append(parts, part...)
	}
	assert.True(t, bytes.Equal(b, parts))
	for _, past := range []string{"bytes=" + strconv.Itoa(len(b)) + "-", "bytes=99999999-"} {
		res, _ = get(http.Header{"Range": {past}})
		assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, res.StatusCode)
	}
	path := filepath.Join(t.TempDir(), "clip")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err)
	pictures, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-i", path, "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-").Output()
	require.NoError(t, err)
	require.Len(t, pictures, 225*320*180, "nine seconds of pictures")
	for n := range 225 {
		number := 0
		for i := range 12 {
			number *= 2
			if pictures[(n*180+166)*320+40+20*i+10] > 128 {
				number++
			}
		}
		require.Equal(t, 50+n, number)
	}
}

// On a server without ffmpeg a coder reads that a clip cannot be shown, and can give it back; the coordinator reads why. The whole recording is no way out.
func TestClipsThatCannotBeCut(t *testing.T) {
	s := filmed(t)
	s.videos.Tools = media.Tools{}
	s.keep()
	cleo, page := s.give("cleo", "c2")
	cleo.get(page)
	s.videos.Wait()
	got := cleo.get(page)
	assert.Contains(t, got.body, "cannot be shown at the moment")
	assert.NotContains(t, got.body, "ffmpeg")
	assert.Contains(t, got.body, "Give this clip back")
	res, _ := cleo.ask(http.MethodGet, page+"/video", nil, nil)
	assert.Equal(t, 404, res.StatusCode)
	ana := s.member("ana", domain.ActorCoordinator)
	got = ana.get(s.videoPath())
	assert.Contains(t, got.body, "apt-get install ffmpeg")
	assert.Contains(t, got.body, "A clip could not be cut")

	rita, page := s.give("rita", "c1") // all of the recording: nothing has to be cut
	assert.Contains(t, rita.get(page).body, "<video")
	res, _ = rita.ask(http.MethodGet, page+"/video", nil, nil)
	assert.Equal(t, 200, res.StatusCode)
}

// A consent that is withdrawn ends the watching, at the latest when the grant ends.
func TestWithdrawnVideoIsNotWatched(t *testing.T) {
	s := filmed(t)
	s.keep()
	cleo, page := s.give("cleo", "c1")
	res, _ := cleo.ask(http.MethodGet, page+"/video", nil, nil)
	require.Equal(t, 200, res.StatusCode)
	s.do(domain.WithdrawConsent{Study: "S", Couple: "C1", Role: "A", Scope: domain.ScopeVideo})
	s.clock.set(s.clock.now().Add(grantLife))
	res, _ = cleo.ask(http.MethodGet, page+"/video", nil, nil)
	assert.Equal(t, 404, res.StatusCode)
	_, err := s.videos.Purge(t.Context(), media.Couple{Study: "S", Code: "C1"})
	require.NoError(t, err)
	assert.Contains(t, s.events(), "video.deleted")
}

func TestBounded(t *testing.T) {
	const size = 100_000_000
	for text, want := range map[string]string{
		"bytes=0-": "bytes=0-4194303", "bytes=10-19": "bytes=10-19", "bytes=5-99999999": "bytes=5-4194308", "bytes=99999990-": "bytes=99999990-99999999",
		"": "", "bytes=-5": "", "bytes=1-2,5-6": "", "bytes=9-3": "", "lines=1-2": "", "bytes=1": "", "bytes=99999999999999999999-": "",
	} {
		got, ok := bounded(text, size)
		assert.Equal(t, want, got, text)
		assert.Equal(t, want != "", ok)
	}
}

func TestTimesInARecording(t *testing.T) {
	for text, want := range map[string]int{"0:00": 0, "12:03": 723_000, "2:00.5": 120_500, "0:00.040": 40, "99:59.999": 5_999_999} {
		got, err := readTimeIn("from", text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
		again, err := readTimeIn("from", timeIn(got))
		require.NoError(t, err)
		assert.Equal(t, want, again)
	}
	for _, text := range []string{"", "12", "1:2", "1:60", ":30", "-1:00", "1:00.", "1:00.1234", "a:00", "1:00:00", "99999:00"} {
		_, err := readTimeIn("from", text)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), text)
	}
}

func FuzzTimeIn(f *testing.F) {
	f.Add("12:03.250")
	f.Fuzz(func(t *testing.T, text string) {
		if ms, err := readTimeIn("from", text); err == nil {
			if again, err := readTimeIn("from", timeIn(ms)); err != nil || again != ms {
				t.Fatal(text, ms, again, err)
			}
		}
	})
}

func FuzzTusMetadata(f *testing.F) {
	f.Add("interaction aTE=,sha256 YQ==")
	f.Fuzz(func(t *testing.T, text string) {
		if about, ok := tusMetadata(text); !ok && about != nil {
			t.Fatal("refused, and yet read")
		}
	})
}

var tus = http.Header{"Tus-Resumable": {"1.0.0"}}

func with(header http.Header, pairs ...string) http.Header {
	h := header.Clone()
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// A coordinator records an interaction, cuts a clip, and sends the video in pieces.
func TestSendingAVideo(t *testing.T) {
	needTools(t)
	s := newStudy(t, withCoding)
	s.agreed("A", "B")
	ana := s.member("ana", domain.ActorCoordinator)
	page := s.videoPath()
	held := s.clock.now().In(berlin).Format("2006-01-02T15:04")
	for _, c := range []struct {
		form   url.Values
		status int
		says   string
	}{
		{url.Values{"do": {"interaction"}, "task": {"talk"}, "held": {held}, "duration": {"12"}}, 422, "expected minutes and seconds"},
		{url.Values{"do": {"interaction"}, "task": {"none"}, "held": {held}, "duration": {"0:12"}}, 404, "no task"},
		{url.Values{"do": {"interaction"}, "task": {"talk"}, "held": {held}, "duration": {"0:12"}}, 200, "Now its video can be sent"},
		{url.Values{"do": {"clip"}, "interaction": {"i1"}, "from": {"0:00"}, "to": {"0:13"}}, 422, "expected a stretch within"},
		{url.Values{"do": {"clip"}, "interaction": {"i1"}, "from": {"0:01"}, "to": {"0:11.500"}}, 200, "The clip was cut"},
		{url.Values{"do": {"delete"}, "interaction": {"i1"}, "sure": {"yes"}}, 404, "no video"},
	} {
		got := ana.post(page, c.form)
		assert.Equal(t, c.status, got.status, c.says)
		assert.Contains(t, got.body, c.says)
	}
	file := syntheticClip(t, "two-shapes.mp4")
	about := "interaction " + base64.StdEncoding.EncodeToString([]byte("i1")) + ",sha256 " + base64.StdEncoding.EncodeToString([]byte("75"+strings.Repeat("0", 62)))
	for status, header := range map[int]http.Header{
		412: {"Upload-Length": {"5"}},
		400: with(tus, "Upload-Length", "x"),
		422: with(tus, "Upload-Length", "30000001", "Upload-Metadata", about),
		404: with(tus, "Upload-Length", "30", "Upload-Metadata", "interaction eA=="),
	} {
		res, _ := ana.ask(http.MethodPost, page+"/uploads", header, nil)
		assert.Equal(t, status, res.StatusCode)
	}
	begin := func(meta string) string {
		res, b := ana.ask(http.MethodPost, page+"/uploads", with(tus, "Upload-Length", strconv.Itoa(len(file)), "Upload-Metadata", meta), nil)
		require.Equal(t, http.StatusCreated, res.StatusCode, string(b))
		return res.Header.Get("Location")
	}
	patch := func(at string, from, to int) asked {
		res, _ := ana.ask(http.MethodPatch, at, with(tus, "Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.Itoa(from)), bytes.NewReader(file[from:to]))
		return res
	}
	ended := func(says string) {
		require.Eventually(t, func() bool { return !strings.Contains(ana.get(page).body, "data-working") }, 30*time.Second, 50*time.Millisecond)
		assert.Contains(t, ana.get(page).body, says)
	}
	at := begin(about)
	require.Equal(t, 204, patch(at, 0, len(file)).StatusCode)
	ended("the SHA-256 differs")

	at = begin("interaction aTE=")
	assert.NotContains(t, at, "C1")
	assert.Equal(t, 204, patch(at, 0, 1000).StatusCode)
	res := patch(at, 500, 2000)
	assert.Equal(t, 409, res.StatusCode)
	assert.Equal(t, "1000", res.Header.Get("Upload-Offset"))
	res, _ = ana.ask(http.MethodPatch, at, with(tus, "Upload-Offset", "1000"), strings.NewReader("x"))
	assert.Equal(t, 415, res.StatusCode)
	res, _ = ana.ask(http.MethodHead, at, tus, nil)
	assert.Equal(t, []string{"1000", strconv.Itoa(len(file))}, []string{res.Header.Get("Upload-Offset"), res.Header.Get("Upload-Length")})
	assert.Contains(t, ana.get(page).body, "An upload stands at")
	other := begin("interaction aTE=")
	res, _ = ana.ask(http.MethodDelete, other, tus, nil)
	assert.Equal(t, 204, res.StatusCode)
	res, _ = ana.ask(http.MethodHead, other, tus, nil)
	assert.Equal(t, 404, res.StatusCode)
	require.Equal(t, 204, patch(at, 1000, len(file)).StatusCode)
	ended("Delete the video")
	assert.Contains(t, s.events(), "video.stored")
	assert.Equal(t, 422, ana.post(page, url.Values{"do": {"delete"}, "interaction": {"i1"}}).status, "without the tick")
	assert.Contains(t, ana.post(page, url.Values{"do": {"delete"}, "interaction": {"i1"}, "sure": {"yes"}}).body, "The video was deleted")

	var form bytes.Buffer // and without script
	m := multipart.NewWriter(&form)
	require.NoError(t, m.WriteField("interaction", "i1"))
	part, err := m.CreateFormFile("file", "my holiday.webm")
	require.NoError(t, err)
	_, err = part.Write(syntheticClip(t, "two-shapes.webm"))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	res, b := ana.ask(http.MethodPost, page+"/file", http.Header{"Content-Type": {m.FormDataContentType()}}, &form)
	assert.Equal(t, 200, res.StatusCode)
	assert.Contains(t, string(b), "is being checked")
	ended("Delete the video")
}
