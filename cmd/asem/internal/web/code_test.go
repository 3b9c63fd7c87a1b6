package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/projections"
)

// schemesOfEachKind has one scheme for each unit.
func schemesOfEachKind(p *domain.Protocol) {
	seven := func(code, title string) domain.Dimension {
		return domain.Dimension{Code: code, Title: title, Min: 1, Max: 7, Step: 1, Anchors: map[string]string{"1": "not at all", "7": "fully"}}
	}
	rule := &domain.Certification{Clips: 2, WithinOne: 0.8, ICC: 0.7, ValidDays: 100, ProbeShare: 0.25}
	p.Tasks = []domain.Task{{Code: "talk", Title: "A talk", Wave: 1}}
	p.Schemes = []domain.CodingScheme{
		{Code: "clip", Title: "Responsiveness", Unit: domain.UnitClip, Directed: domain.DirectedPerson, JudgesPerClip: 2, Dimensions: []domain.Dimension{seven("understanding", "Understanding"), seven("caring", "Caring")}},
		{Code: "interval", Title: "Softening in bins", Unit: domain.UnitInterval, IntervalSeconds: 30, Directed: domain.DirectedPerson, JudgesPerClip: 1,
			Dimensions: []domain.Dimension{{Code: "softening", Title: "Softening", Min: -3, Max: 3, Step: 1}}},
		{Code: "event", Title: "Softening events", Unit: domain.UnitEvent, Directed: domain.DirectedPerson, JudgesPerClip: 1, Dimensions: []domain.Dimension{seven("depth", "Depth")}},
		{Code: "turn", Title: "Turns", Unit: domain.UnitTurn, Directed: domain.DirectedDyad, JudgesPerClip: 1, Dimensions: []domain.Dimension{seven("support", "Support")}},
		{Code: "trace", Title: "Warmth", Unit: domain.UnitContinuous, SampleMs: 250, Directed: domain.DirectedDyad, JudgesPerClip: 1, Dimensions: []domain.Dimension{{Code: "warmth", Title: "Warmth", Min: -5, Max: 5}}},
		{Code: "gated", Title: "With training", Unit: domain.UnitClip, Directed: domain.DirectedPerson, JudgesPerClip: 1, Certification: rule, Dimensions: []domain.Dimension{seven("caring", "Caring")}},
	}
}

// film records an interaction of a couple with a clip k1 that is all of it.
func (s *study) film(couple string, ms int) {
	s.t.Helper()
	s.do(domain.RecordInteraction{Study: "S", Couple: couple, Interaction: "t1", Task: "talk", DurationMs: ms, HeldAt: s.clock.now()},
		domain.StoreVideo{Study: "S", Couple: couple, Parts: map[domain.Role][]byte{"A": make([]byte, 32), "B": make([]byte, 32)}, Video: domain.VideoStored{
			Interaction: "t1", Video: uuid.NewString(), SHA256: strings.Repeat("0", 64), Bytes: 1, DurationMs: ms, RateNum: 25, RateDen: 1, Width: 320, Height: 180, Format: "video/webm"}},
		domain.CutClip{Study: "S", Couple: couple, Clip: "k1", Interaction: "t1", EndMs: ms})
}

// another couple, that agrees to everything.
func (s *study) another(code string) {
	s.t.Helper()
	s.do(domain.EnrolCouple{Study: "S", Couple: code, EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: code + "a"}, {Role: "B", Code: code + "b"}}})
	for _, r := range []domain.Role{"A", "B"} {
		s.do(domain.ConfirmPairing{Study: "S", Couple: code, Role: r}, domain.GiveConsent{Study: "S", Couple: code, Role: r, Scope: domain.ScopeVideo, Version: "2026-1", At: s.clock.now()})
	}
}

func (s *study) coding() projections.Coding {
	s.t.Helper()
	c, err := projections.NewDesk(s.log.(projections.StreamReader)).Coding(s.t.Context(), "S")
	require.NoError(s.t, err)
	return c
}

// userOf is the pseudonym of a member of the staff.
func (s *study) userOf(name string) string {
	users, err := s.access.Users(s.t.Context())
	require.NoError(s.t, err)
	for _, u := range users {
		if u.Name == name {
			return u.User
		}
	}
	s.t.Fatalf("there is no user %s", name)
	return ""
}

var (
	benchLink = regexp.MustCompile(`href="(/code/[0-9a-f-]{36})"`)
	clipLink  = regexp.MustCompile(`href="(/staff/[a-z2-7]+/coding/[a-z2-7]+\?scheme=\w+)"`)
)

// unmarked takes out of a page what is drawn at random, in which anything may stand by chance: ids of assignments, and marks of users.
func unmarked(body string) string {
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|staff-[0-9a-z]+`).ReplaceAllString(body, "")
}

// Two coders rate a clip without script, and nobody sees a rating before both have submitted.
func TestRatingsAreSeenWhenAllJudgesHaveSubmitted(t *testing.T) {
	s := newStudy(t, schemesOfEachKind)
	s.agreed("A", "B")
	s.film("C1", 60_000)
	ana, bo, cy := s.member("ana", domain.ActorCoordinator), s.member("bo", domain.ActorCoder), s.member("cy", domain.ActorCoder)
	desk := s.staffPath("/coding?scheme=clip")
	require.Contains(t, bo.get("/code").body, "There is nothing for you yet")
	for _, name := range []string{"bo", "cy"} {
		require.Contains(t, ana.post(desk, url.Values{"do": {"enlist"}, "judge": {s.userOf(name)}}).body, "The coder was enlisted")
	}
	assert.Equal(t, http.StatusNotFound, ana.post(desk, url.Values{"do": {"enlist"}, "judge": {"J9"}}).status)
	require.Contains(t, ana.post(desk, url.Values{"do": {"plan"}}).body, "2 assignments were made")
	require.Contains(t, ana.post(desk, url.Values{"do": {"plan"}}).body, "0 assignments were made")
	clip := clipLink.FindStringSubmatch(ana.get(desk).body)[1]

	rate := func(c *client, left, right string) string {
		list := c.get("/code")
		path := benchLink.FindStringSubmatch(list.body)[1]
		require.Contains(t, c.get(path).body, "Before you begin")
		page := c.post(path, url.Values{"do": {"claim"}})
		require.Equal(t, path, page.at)
		for _, secret := range []string{"C1", "k1", "wife", "wave", "talk", "probe"} {
			assert.NotContains(t, unmarked(page.body), secret)
			assert.NotContains(t, list.body, ">"+secret)
		}
		form := url.Values{"do": {"submit"}, "understanding.left.0": {left}, "caring.left.0": {left}, "understanding.right.0": {right}}
		half := c.post(path, form)
		require.Equal(t, 422, half.status)
		assert.Contains(t, half.body, "1 places are neither rated nor omitted")
		assert.Contains(t, half.body, `value="`+left+`"`, "nothing is lost")
		form.Set("omit.caring.right.0", "not_visible")
		form.Set("comment", "said by "+left)
		done := c.post(path, form)
		assert.Equal(t, "/code?submitted", done.at)
		assert.Equal(t, http.StatusNotFound, c.post(path, form).status, "locked")
		return path
	}
	first := rate(bo, "7", "2")
	page := ana.get(clip)
	assert.Contains(t, page.body, "1 have not")
	assert.NotContains(t, page.body, "said by 7")
	assert.Equal(t, http.StatusNotFound, cy.get(first).status, "another's assignment")
	assert.Equal(t, http.StatusNotFound, cy.post(first+"/draft", nil).status)
	assert.Equal(t, http.StatusConflict, ana.post(clip, url.Values{"do": {"adjudicate"}, "caring.A.0": {"4"}, "reason": {"early"}}).status)
	assert.Equal(t, http.StatusUnprocessableEntity, ana.post(clip, url.Values{"do": {"correct"}, "assignment": {strings.TrimPrefix(first, "/code/")}, "understanding.A.0": {"4"}, "reason": {"early"}}).status)
	second := rate(cy, "5", "1")
	page = ana.get(clip)
	assert.Contains(t, page.body, "said by 7")
	assert.Contains(t, page.body, "not visible")
	c := s.coding()
	one, _ := c.Assignment(strings.TrimPrefix(first, "/code/"))
	other, _ := c.Assignment(strings.TrimPrefix(second, "/code/"))
	for _, w := range []projections.CodingWork{one, other} {
		for _, r := range w.Ratings {
			left := (r.Target == "A") != w.Mirrored
			assert.Equal(t, left, r.Value >= 5, "left and right come back as the roles they are")
		}
	}
	done := ana.post(clip, url.Values{"do": {"adjudicate"}, "understanding.A.0": {"6"}, "reason": {"seen together"}})
	require.Equal(t, 200, done.status, done.body)
	assert.Contains(t, done.body, "6: seen together")
	rated := one.Ratings[0]
	mend := url.Values{"do": {"correct"}, "assignment": {one.ID}, rated.Dimension + "." + string(rated.Target) + ".0": {"4"}, "reason": {"mistyped"}}
	assert.Contains(t, ana.post(clip, mend).body, "4, corrected: mistyped")
	mend.Del("assignment")
	assert.Contains(t, ana.post(clip, mend).body, "Choose the judge")
	overview := ana.get(desk)
	assert.Contains(t, overview.body, "2 of 2 judges submitted")
	assert.Regexp(t, `bo and cy|cy and bo`, overview.body)
}

// Training clips certify; a coder who knows a couple gives the clip back and another gets it; probes look like other clips.
func TestTrainingAndReassignment(t *testing.T) {
	s := newStudy(t, schemesOfEachKind)
	s.agreed("A", "B")
	s.film("C1", 60_000)
	for i := range 8 {
		code := fmt.Sprintf("D%d", i)
		s.another(code)
		s.film(code, 60_000)
	}
	ana, bo, cy := s.member("ana", domain.ActorCoordinator), s.member("bo", domain.ActorCoder), s.member("cy", domain.ActorCoder)
	desk := s.staffPath("/coding?scheme=gated")
	for _, name := range []string{"bo", "cy"} {
		ana.post(desk, url.Values{"do": {"enlist"}, "judge": {s.userOf(name)}})
	}
	assert.Contains(t, ana.post(desk, url.Values{"do": {"train"}, "judge": {s.userOf("bo")}}).body, "too few gold clips")
	links := clipLink.FindAllStringSubmatch(ana.get(desk).body, -1)
	for i, v := range []string{"2", "6", "4", "7"} {
		done := ana.post(links[i][1], url.Values{"do": {"criterion"}, "caring.A.0": {v}, "caring.B.0": {"5"}})
		require.Equal(t, 200, done.status, done.body)
	}
	require.Contains(t, ana.post(desk, url.Values{"do": {"plan"}}).body, "0 assignments were made. 5 more are needed")

	criterion := func(w projections.CodingWork, off float64) draft {
		k, _ := s.coding().Clip(w.Couple, w.Clip)
		var d draft
		for _, sc := range k.Criteria["gated"] {
			left := (sc.Target == "A") != w.Mirrored
			d.Ratings = append(d.Ratings, draftRating{Dimension: "caring", Side: map[bool]string{true: "left", false: "right"}[left], Value: min(7, max(1, sc.Value+off))})
		}
		return d
	}
	submit := func(c *client, w projections.CodingWork, d draft) answer {
		c.post("/code/"+w.ID, url.Values{"do": {"claim"}})
		text, err := json.Marshal(d)
		require.NoError(t, err)
		return c.post("/code/"+w.ID, url.Values{"do": {"submit"}, "draft": {string(text)}})
	}
	for name, c := range map[string]*client{"bo": bo, "cy": cy} {
		require.Contains(t, ana.post(desk, url.Values{"do": {"train"}, "judge": {s.userOf(name)}}).body, "2 training clips were given")
		assert.Contains(t, c.get("/code").body, "(training)")
		for _, w := range s.coding().Of(s.userOf(name)) {
			require.Equal(t, "/code?submitted", submit(c, w, criterion(w, 0)).at)
		}
		assert.Contains(t, c.get("/code").body, "You are certified through")
	}
	require.Contains(t, ana.post(desk, url.Values{"do": {"plan"}}).body, "assignments were made")
	probes, study := 0, 0
	for _, w := range s.coding().Work {
		switch w.Purpose {
		case domain.PurposeProbe:
			probes++
		case domain.PurposeStudy:
			study++
		}
	}
	assert.Equal(t, 5, study)
	assert.Equal(t, 2, probes)
	assert.NotContains(t, bo.get("/code").body, "probe")

	path := benchLink.FindStringSubmatch(bo.get("/code").body)[1]
	w, _ := s.coding().Assignment(strings.TrimPrefix(path, "/code/"))
	for w.Purpose != domain.PurposeStudy { // the probe before it
		require.Equal(t, "/code?submitted", submit(bo, w, criterion(w, 0)).at)
		path = benchLink.FindStringSubmatch(bo.get("/code").body)[1]
		w, _ = s.coding().Assignment(strings.TrimPrefix(path, "/code/"))
	}
	assert.Equal(t, "/code?returned", bo.post(path, url.Values{"do": {"return"}, "reason": {"knows_couple"}}).at)
	judge, _ := s.coding().Judge(s.userOf("bo"))
	assert.True(t, judge.Knows(w.Couple))
	require.Contains(t, ana.post(desk, url.Values{"do": {"plan"}}).body, "assignments were made")
	again := 0
	for _, x := range s.coding().Work {
		if x.Couple == w.Couple && !x.Ended && x.Purpose == domain.PurposeStudy {
			again++
			assert.Equal(t, s.userOf("cy"), x.Judge)
		}
	}
	assert.Equal(t, 1, again)

	for name, form := range map[string]url.Values{
		"The leave was noted":      {"do": {"leave"}, "from": {"2026-03-02"}, "to": {"2026-03-09"}},
		"The coder was suspended":  {"do": {"suspend"}, "reason": {"away from the manual"}},
		"gets no clip of this":     {"do": {"knows"}, "couple": {"C1"}},
		"no clip of such a couple": {"do": {"knows"}, "couple": {"X"}},
		"clips were taken back":    {"do": {"take"}},
	} {
		form.Set("judge", s.userOf("cy"))
		assert.Contains(t, ana.post(desk, form).body, name)
	}
	assert.Contains(t, ana.get(desk).body, "cy: suspended (away from the manual)")
	assert.Contains(t, cy.get("/code").body, "You get no clips at the moment")
	assert.Contains(t, ana.post(desk, url.Values{"do": {"retire"}, "judge": {s.userOf("cy")}}).body, "codes no longer")
}

// needTools skips a test without ffmpeg, or fails it where ASEM_REQUIRE_FFMPEG=1 says that it may not be skipped.
func needTools(t testing.TB) {
	t.Helper()
	err := media.FindTools().Err()
	if err == nil {
		return
	}
	if os.Getenv("ASEM_REQUIRE_FFMPEG") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// recording makes a recording of 25 frames a second of which each frame shows its own number in twelve black or white bars.
func recording(t testing.TB, seconds int) string {
	t.Helper()
	needTools(t)
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "clip.webm")
	out, err := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("nullsrc=s=96x32:r=25:d=%d,geq=lum='16+219*mod(floor(N/pow(2,floor(X/8))),2)':cb=128:cr=128", seconds),
		"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "25", path).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// serveVideo answers for the recording of any assignment.
func serveVideo(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			http.Error(w, "gone", http.StatusNotFound)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			http.Error(w, "gone", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "video/webm")
		http.ServeContent(w, r, "", info.ModTime(), io.ReadSeeker(f))
	}
}
