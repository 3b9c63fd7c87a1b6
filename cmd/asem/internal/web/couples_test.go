package web

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// member is a member of the staff who is signed in, with a role in study S.
func (s *study) member(name string, role domain.ActorRole) *client {
	s.t.Helper()
	_, setup, err := s.access.AddUser(s.t.Context(), name, "S", role)
	require.NoError(s.t, err)
	e, err := s.access.BeginSetup(s.t.Context(), setup, netip.MustParseAddr("192.0.2.1"))
	require.NoError(s.t, err)
	uri, err := url.Parse(e.URI)
	require.NoError(s.t, err)
	once, err := totp.GenerateCode(uri.Query().Get("secret"), time.Now())
	require.NoError(s.t, err)
	c := s.visitor()
	a := c.post("/staff/setup/done", url.Values{"setup": {setup}, "password": {"a long enough password"}, "again": {"a long enough password"}, "once": {once}})
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return c
}

// SendInvitation notes an invitation instead of sending it; how mail is sent is tested where it is.
func (s *study) SendInvitation(_ context.Context, address, language, link string) error {
	s.invited = append(s.invited, address+" "+language+" "+link)
	return nil
}

// staffPath is the path of a page of study S.
func (s *study) staffPath(page string) string { return "/staff/" + StudyRef(s.access, "S") + page }

var (
	coupleLink = regexp.MustCompile(`href="(/staff/[a-z2-7]+/couples/[a-z2-7]+)"`)
	bigCode    = regexp.MustCompile(`class="(?:big|secret)" dir="ltr">([^<]+)<`)
)

func TestACoordinatorLooksAfterCouples(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	ana := s.member("ana", domain.ActorCoordinator)
	s.clock.set(on(1, 20, 0))
	list := ana.get(s.staffPath("/couples"))
	require.Equal(t, http.StatusOK, list.status)
	assert.Contains(t, list.body, `>due</span>`)
	assert.Contains(t, list.body, `not joined yet`)
	assert.NotContains(t, list.at, "C1", "no code in a URL")
	for _, k := range shows {
		assert.Equal(t, http.StatusOK, ana.get(s.staffPath("/couples?show="+k.Key)).status)
	}
	assert.NotContains(t, ana.get(s.staffPath("/couples?show=flags")).body, "/couples/"+"x")
	path := coupleLink.FindStringSubmatch(list.body)[1]
	assert.NotContains(t, path, "C1")
	page := ana.get(path)
	require.Equal(t, http.StatusOK, page.status)
	assert.Contains(t, page.body, "evenings 2026-03-03")
	found := ana.post(s.staffPath("/couples/find"), url.Values{"code": {" C1 "}})
	assert.Equal(t, path, found.at)
	assert.Equal(t, http.StatusNotFound, ana.post(s.staffPath("/couples/find"), url.Values{"code": {"C9"}}).status)

	letter := ana.post(path, url.Values{"do": {"code"}, "role": {"A"}})
	cred := bigCode.FindAllStringSubmatch(letter.body, -1)
	require.Len(t, cred, 2)
	a := s.visitor()
	assert.Equal(t, "/me", a.post("/in", url.Values{"code": {cred[0][1]}, "pin": {cred[1][1]}}).at)

	for _, c := range []struct {
		name   string
		form   url.Values
		status int
		says   string
	}{
		{"an unknown zone", url.Values{"do": {"settings"}, "role": {"A"}, "zone": {"Mars/Olympus"}, "language": {"de"}}, 422, "not a known time zone"},
		{"zone and language", url.Values{"do": {"settings"}, "role": {"A"}, "zone": {"Asia/Tokyo"}, "language": {"de"}}, 200, "The settings were changed"},
		{"no address", url.Values{"do": {"email"}, "role": {"A"}, "email": {"no address"}}, 422, "no e-mail address"},
		{"an address", url.Values{"do": {"email"}, "role": {"A"}, "email": {"someone@example.org"}}, 200, "The address was changed"},
		{"withdrawing by mistake", url.Values{"do": {"withdraw"}, "role": {"A"}, "on": {"2026-03-03"}}, 422, "tick the box"},
		{"a scope", url.Values{"do": {"scope"}, "role": {"A"}, "scope": {"video"}, "sure": {"yes"}}, 200, "The consent was withdrawn"},
		{"a session", url.Values{"do": {"session"}, "number": {"1"}, "on": {"2026-03-03"}}, 200, "The session was recorded"},
		{"the session on another day", url.Values{"do": {"session"}, "number": {"1"}, "on": {"2026-03-04"}}, 409, "say that this one corrects it"},
		{"correcting the session", url.Values{"do": {"session"}, "number": {"1"}, "on": {"2026-03-04"}, "corrects": {"yes"}}, 200, "Session 1 on 2026-03-04"},
		{"no such event", url.Values{"do": {"change"}, "code": {"x"}, "on": {"2026-03-03"}}, 404, "no change event"},
		{"a separation", url.Values{"do": {"separated"}, "on": {"2026-03-03"}, "sure": {"yes"}}, 200, "Separated on 2026-03-03"},
		{"a withdrawal", url.Values{"do": {"withdraw"}, "role": {"A"}, "on": {"2026-03-04"}, "sure": {"yes"}}, 200, "withdrew 2026-03-04"},
		{"something else", url.Values{"do": {"erase"}}, 404, "no such page"},
	} {
		got := ana.post(path, c.form)
		assert.Equal(t, c.status, got.status, c.name)
		assert.Contains(t, got.body, c.says, c.name)
		assert.NotContains(t, got.body, "someone@example.org", "addresses are not shown")
	}
	assert.Equal(t, http.StatusOK, a.get("/me/own").status, "who withdrew can still read what was sent")
	past, err := s.exec.Past(t.Context(), "S", "C1")
	require.NoError(t, err)
	who, _ := past.Couple.Participant("A")
	assert.Equal(t, "someone@example.org", who.Email)
}

func TestACoupleIsEnrolled(t *testing.T) {
	s := newStudy(t, func(p *domain.Protocol) {
		p.Arms, p.Randomise = []domain.Arm{{Code: "closeness"}, {Code: "control"}}, &domain.Randomisation{Unit: domain.RandomiseCouples}
	})
	s.do(domain.SeedRandomisation{Study: "S", Seed: []byte(strings.Repeat("seed", 8))})
	ana := s.member("ana", domain.ActorCoordinator)
	form := ana.get(s.staffPath("/enrol"))
	assert.Contains(t, form.body, `value="001"`)
	filled := url.Values{"code": {"001"}, "on": {"2026-03-02"}, "site": {"here"}, "language-A": {"de"}, "zone-A": {"Europe/Berlin"}, "email-A": {"a@example.org"}, "language-B": {"en"}, "zone-B": {"America/New_York"}, "email-B": {"a@example.org"}}
	same := ana.post(s.staffPath("/enrol"), filled)
	assert.Equal(t, http.StatusUnprocessableEntity, same.status)
	assert.Contains(t, same.body, "Both partners have the same address")
	assert.Contains(t, same.body, `value="America/New_York"`, "what was filled in stays")
	filled.Set("email-B", "")
	letters := ana.post(s.staffPath("/enrol"), filled)
	require.Equal(t, http.StatusOK, letters.status, letters.body)
	cred := bigCode.FindAllStringSubmatch(letters.body, -1)
	require.Len(t, cred, 4)
	assert.NotContains(t, letters.body, "closeness")
	b := s.visitor()
	assert.Equal(t, "/me/welcome", b.post("/in", url.Values{"code": {cred[2][1]}, "pin": {cred[3][1]}}).at)
	past, err := s.exec.Past(t.Context(), "S", "001")
	require.NoError(t, err)
	assert.Contains(t, []string{"closeness", "control"}, past.Couple.Arm("A"))
	assert.Equal(t, past.Couple.Arm("A"), past.Couple.Arm("B"))
	again := ana.post(s.staffPath("/enrol"), filled)
	assert.Equal(t, http.StatusUnprocessableEntity, again.status)
	assert.Contains(t, again.body, "There is a couple 001 already")
	filled.Set("code", "002")
	filled.Set("email-A", "")
	require.Equal(t, http.StatusOK, ana.post(s.staffPath("/enrol"), filled).status)
	assert.Contains(t, letters.body, "An invitation was sent to one.")
	assert.Equal(t, []string{"a@example.org de https://study.example/in"}, s.invited)
	second, err := s.exec.Past(t.Context(), "S", "002")
	require.NoError(t, err)
	two := map[string]bool{past.Couple.Arm("A"): true, second.Couple.Arm("A"): true}
	filled.Set("code", "003")
	ana.post(s.staffPath("/enrol"), filled)
	filled.Set("code", "004")
	ana.post(s.staffPath("/enrol"), filled)
	count := map[string]int{}
	for _, code := range []string{"001", "002", "003", "004"} {
		c, err := s.exec.Past(t.Context(), "S", code)
		require.NoError(t, err)
		count[c.Couple.Arm("A")]++
	}
	assert.Equal(t, map[string]int{"closeness": 2, "control": 2}, count, "a block is balanced; the first two were %v", two)
}

func TestAnOpenInvitation(t *testing.T) {
	s := newStudy(t)
	ana := s.member("ana", domain.ActorCoordinator)
	opened := ana.post(s.staffPath("/invitations"), url.Values{"days": {"30"}})
	link := regexp.MustCompile(`https://study\.example(/join/[^<]+)<`).FindStringSubmatch(opened.body)
	require.NotNil(t, link, opened.body)
	first, second := s.visitor(), s.visitor()
	for _, lang := range []string{"en", "de", "he"} {
		assert.Equal(t, http.StatusOK, first.get(link[1]+"?lang="+lang).status)
	}
	assert.Equal(t, http.StatusUnprocessableEntity, first.post(link[1], url.Values{"do": {"first"}, "zone": {"nowhere"}}).status)
	began := first.post(link[1]+"?lang=de", url.Values{"do": {"first"}, "zone": {"Europe/Berlin"}})
	require.Equal(t, http.StatusOK, began.status, began.body)
	shown := bigCode.FindAllStringSubmatch(began.body, -1)
	require.Len(t, shown, 3, "a code for the partner, and code and PIN")
	word := regexp.MustCompile(`class="secret">([^<]+)<`).FindStringSubmatch(began.body)[1]
	assert.Equal(t, "/in", first.post("/in", url.Values{"code": {shown[1][1]}, "pin": {shown[2][1]}}).at, "nothing to see before both are there")
	assert.Contains(t, ana.get(s.staffPath("/invitations")).body, "at the moment: 1.")

	assert.Contains(t, second.post(link[1], url.Values{"do": {"second"}, "code": {"ABC"}, "zone": {"Asia/Tokyo"}}).body, "A character of the code is wrong")
	assert.Contains(t, second.post(link[1], url.Values{"do": {"second"}, "code": {string(access.NewCode())}, "zone": {"Asia/Tokyo"}}).body, "This code is not known")
	together := second.post(link[1], url.Values{"do": {"second"}, "code": {shown[0][1]}, "zone": {"Asia/Tokyo"}})
	require.Equal(t, http.StatusOK, together.status, together.body)
	assert.Contains(t, together.body, word, "both see the same sign")
	mine := bigCode.FindAllStringSubmatch(together.body, -1)
	require.Len(t, mine, 2)
	assert.Equal(t, "/me/welcome", second.post("/in", url.Values{"code": {mine[0][1]}, "pin": {mine[1][1]}}).at)
	assert.Equal(t, "/me/welcome", first.post("/in", url.Values{"code": {shown[1][1]}, "pin": {shown[2][1]}}).at)
	assert.Contains(t, second.post(link[1], url.Values{"do": {"second"}, "code": {shown[0][1]}, "zone": {"Asia/Tokyo"}}).body, "This code is not known", "it works once")

	id := regexp.MustCompile(`name="close" value="([^"]+)"`).FindStringSubmatch(ana.get(s.staffPath("/invitations")).body)
	ana.post(s.staffPath("/invitations"), url.Values{"close": {id[1]}})
	assert.Equal(t, http.StatusNotFound, s.visitor().get(link[1]).status)
}

func TestClinicianReadsOnRecord(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	harm, note := 2, "I would rather not say this aloud"
	s.do(domain.SubmitQuestionnaire{Study: "S", Couple: "C1", Role: "A", Wave: 1, Instrument: domain.InstrumentRef{Code: "kinds", Version: "1"}, Answers: []domain.Answer{{Item: "k_harm", Value: &harm}}, FilledAt: s.clock.now()},
		domain.WriteNote{Study: "S", Couple: "C1", Role: "A", Occasion: domain.Occasion{Wave: 1}, Prompt: "words", Text: note, WrittenAt: s.clock.now()})
	ana, cleo := s.member("ana", domain.ActorCoordinator), s.member("cleo", domain.ActorClinician)
	assert.Equal(t, http.StatusNotFound, ana.get(s.staffPath("/concerns")).status, "not for coordinators")
	assert.Equal(t, http.StatusNotFound, cleo.get(s.staffPath("/couples")).status, "not for clinicians")
	couple := ana.get(coupleLink.FindStringSubmatch(ana.get(s.staffPath("/couples")).body)[1])
	assert.NotContains(t, couple.body, note)
	assert.NotContains(t, couple.body, "k_harm")

	reads := func() (n int) {
		for _, e := range s.events() {
			if e == "note.read" {
				n++
			}
		}
		return n
	}
	list := cleo.get(s.staffPath("/concerns"))
	assert.NotContains(t, list.body, note)
	assert.Zero(t, reads(), "the list shows nothing of what was said")
	keys := regexp.MustCompile(`name="concern" value="([^"]+)"`).FindAllStringSubmatch(list.body, -1)
	require.Len(t, keys, 2)
	risk := cleo.post(s.staffPath("/concerns"), url.Values{"concern": {keys[0][1]}})
	assert.Contains(t, risk.body, "on many days")
	text := cleo.post(s.staffPath("/concerns"), url.Values{"concern": {keys[1][1]}})
	assert.Contains(t, text.body, note)
	assert.Equal(t, 2, reads())
	assert.Contains(t, cleo.post(s.staffPath("/concerns"), url.Values{"concern": {keys[0][1]}, "do": {"handle"}, "outcome": {"called"}}).body, "taken care of")
	assert.Equal(t, http.StatusNotFound, cleo.post(s.staffPath("/concerns"), url.Values{"concern": {"x"}}).status)
}

func TestAReminderIsFollowed(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	s.do(domain.SchedulePrompt{Study: "S", Couple: "C1", Role: "A", Prompt: "p1", Occasion: domain.Occasion{Wave: 1}, Channel: "email", At: s.clock.now()},
		domain.SendPrompt{Study: "S", Couple: "C1", Role: "A", Prompt: "p1", At: s.clock.now()})
	followed := func() bool {
		past, err := s.exec.Past(t.Context(), "S", "C1")
		require.NoError(t, err)
		return !past.Couple.Prompts("A")[0].Opened.IsZero()
	}
	link := PromptPath(s.access, s.person("A"), "p1")
	assert.NotContains(t, link, "p1")
	a := s.visitor()
	assert.Equal(t, "/in", a.get(link).at)
	assert.False(t, followed(), "a program that looks at links is no person")
	b := s.signedIn("B")
	assert.Equal(t, "/me/welcome", b.get(link).at)
	assert.False(t, followed(), "it is the partner's")
	assert.Equal(t, "/me", a.post("/in", url.Values{"code": {string(s.codes["A"].Code)}, "pin": {s.codes["A"].PIN}}).at)
	assert.True(t, followed())
	assert.Equal(t, "/me", a.get("/m/nothing").at)
}
