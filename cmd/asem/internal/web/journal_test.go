package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
	"asem/projections"
)

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// study is a server with one couple of one study, a real log and real sign-in.
type study struct {
	t      testing.TB
	log    events.Log
	exec   *events.Executor
	access *access.Store
	clock  *clock
	base   string
	down   atomic.Bool // the connection to the server is broken
	videos *media.Library
	video  http.HandlerFunc // nil: the one that is served
	codes  map[domain.Role]access.Credential

	invited []string
}

// enrolled is the day on which couples of tests are enrolled, and the zone in which they live.
var (
	enrolled  = domain.NewDate(2026, time.March, 2)
	berlin, _ = time.LoadLocation("Europe/Berlin")
)

// on returns an instant of a day counted from the enrolment, in Berlin.
func on(day, hour, minute int) time.Time {
	return time.Date(2026, time.March, 2+day, hour, minute, 0, 0, berlin)
}

// everyAnchor is an instrument with every kind of question there is.
func everyAnchor() domain.Instrument {
	in := domain.Instrument{Code: "kinds", Version: "1", Title: "Kinds of questions"}
	add := func(id string, lo, hi int, anchors map[string]string) {
		in.Items = append(in.Items, domain.Item{ID: id, Min: lo, Max: hi, Text: map[string]string{"en": "Question " + id, "de": "Frage " + id, "he": "שאלה " + id}, Anchors: map[string]map[string]string{"en": anchors, "de": anchors, "he": anchors}})
	}
	add("k_yes", 0, 1, map[string]string{"0": "no", "1": "yes"})
	add("k_five", 1, 5, map[string]string{"1": "never", "5": "always"})
	add("k_list", 1, 4, map[string]string{"1": "not at all", "2": "on some days", "3": "on more than half of the days", "4": "nearly every day"})
	add("k_minus", -3, 3, map[string]string{"-3": "much worse", "0": "the same", "3": "much better"})
	add("k_eleven", 0, 10, map[string]string{"0": "none", "10": "the most there can be"})
	add("k_minutes", 0, 1440, nil)
	add("k_harm", 0, 3, map[string]string{"0": "not at all", "1": "on some days", "2": "on many days", "3": "nearly every day"})
	return in
}

func protocol() domain.Protocol {
	text := func(en, de, he string) map[string]string { return map[string]string{"en": en, "de": de, "he": he} }
	refs := func(codes ...string) (list []domain.InstrumentRef) {
		for _, c := range codes {
			list = append(list, domain.InstrumentRef{Code: c, Version: "1"})
		}
		return list
	}
	p := domain.Protocol{
		Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "one"}, {Role: "B", Label: "two"}}, Exchangeable: true, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation,
		Waves: []domain.Wave{
			{Index: 1, Label: "start", Month: 0, ClosesDaysLate: 10, GraceDays: 4, Instruments: refs("asem-satisfaction", "asem-tension", "kinds")},
			{Index: 2, Label: "later", Month: 1, OpensDaysEarly: 2, ClosesDaysLate: 10, GraceDays: 4, Instruments: refs("asem-satisfaction")},
		},
		Diaries:   []domain.DiaryBurst{{Code: "evenings", StartDay: 1, Days: 14, OpensHour: 18, ClosesHour: 27, GraceHours: 8, Instruments: refs("asem-daily")}},
		Languages: []string{"en", "de", "he"},
		Sites: []domain.Site{{Code: "here", Title: "Here", Help: []domain.HelpLine{
			{Label: text("Crisis line", "Krisentelefon", "קו חירום"), Number: "+49 800 111 0 111"}, {Label: text("Counselling online", "Beratung im Netz", "ייעוץ ברשת"), Link: "https://example.org/help"}}}},
		Showings: []domain.Showing{
			{Instrument: "asem-daily", Shuffle: true},
			{Instrument: "asem-tension", MaySkip: true, Sensitive: true, Gate: &domain.Gate{Item: "t_any", Value: 1}},
			{Instrument: "kinds", MaySkip: true, Risk: []domain.AtRisk{{Item: "k_harm", AtLeast: 1}}},
		},
		Notes:        []domain.NotePrompt{{Code: "words", Waves: []int{1}, Text: text("Is there anything you would like to add?", "Möchten Sie etwas hinzufügen?", "האם תרצו להוסיף משהו?"), Limit: 300}},
		Compensation: &domain.Compensation{Currency: "EUR", Wave: 1000, DiaryDay: 150},
	}
	for _, s := range domain.Scopes() {
		p.Consents = append(p.Consents, domain.ConsentForm{Scope: s, Version: "2026-1", Required: s == domain.ScopeQuestionnaires, Text: text(
			"We ask for this so that the study can be carried out. It is explained in the information you were given.", "Wir bitten darum, damit die Studie durchgeführt werden kann. Erklärt ist es in den Unterlagen, die Sie bekommen haben.", "אנו מבקשים זאת כדי שהמחקר יוכל להתקיים. ההסבר נמצא במידע שקיבלתם.")})
	}
	return p
}

func newStudy(t testing.TB, change ...func(*domain.Protocol)) *study {
	t.Helper()
	dir := t.TempDir()
	log, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	signer, _, err := proof.NewSigner()
	require.NoError(t, err)
	keys, err := seal.NewFile(filepath.Join(dir, "keys"), signer, nil)
	require.NoError(t, err)
	store, err := access.OpenSQLite(t.Context(), filepath.Join(dir, "access.db"), keys)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	s := &study{t: t, log: log, exec: events.NewExecutor(log), access: store, clock: &clock{at: on(0, 12, 0)}, codes: map[domain.Role]access.Credential{}}

	p := protocol()
	for _, f := range change {
		f(&p)
	}
	daily, _ := domain.Key("asem-daily", "1")
	satisfaction, _ := domain.Key("asem-satisfaction", "1")
	tension, _ := domain.Key("asem-tension", "1")
	s.do(domain.CreateStudy{Study: "S", Title: "Study", Zone: "Europe/Berlin"})
	for _, in := range []domain.Instrument{daily, satisfaction, tension, everyAnchor()} {
		s.do(domain.RegisterInstrument{Study: "S", Instrument: in})
	}
	s.do(domain.PublishProtocol{Study: "S", Protocol: p})
	s.do(domain.EnrolCouple{Study: "S", Couple: "C1", EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: "C1a"}, {Role: "B", Code: "C1b"}}})
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	sessions := access.NewSessions(store, false, func(w http.ResponseWriter, _ *http.Request, err error) { Failed(logger, w, err) })
	s.videos, err = media.Open(media.Config{Dir: filepath.Join(dir, "media"), Executor: s.exec, Keyed: store.Keyed, Tools: media.FindTools(), MaxBytes: 30_000_000, Logger: logger, Now: s.clock.now})
	require.NoError(t, err)
	require.NoError(t, s.videos.Start(t.Context()))
	t.Cleanup(s.videos.Wait)
	handler := sessions.Wrap(New(Config{
		Endpoint: "/graphql", Access: store, Sessions: sessions, Logger: logger, Executor: s.exec, Board: projections.NewBoard(log), Desk: projections.NewDesk(log), Base: "https://study.example", Now: s.clock.now, Elsewhere: "/healthz", Inviter: s,
		Videos: s.videos, Recordings: projections.NewRecordings(log),
		IsOperator: func(*http.Request) bool { return false },
	}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("GET /code/{assignment}/video", func(w http.ResponseWriter, r *http.Request) {
		if s.video == nil {
			handler.ServeHTTP(w, r)
			return
		}
		s.video(w, r)
	})
	mux.Handle("/", handler)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close()
			}
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.base = server.URL
	for _, role := range []domain.Role{"A", "B"} {
		c, err := store.IssueCode(t.Context(), s.person(role))
		require.NoError(t, err)
		s.codes[role] = c
	}
	return s
}

func (s *study) person(r domain.Role) access.Participant {
	return access.Participant{Study: "S", Couple: "C1", Role: r}
}

// do carries out commands now.
func (s *study) do(list ...domain.Command) {
	s.t.Helper()
	for _, c := range list {
		_, err := s.exec.Execute(context.Background(), domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, At: s.clock.now(), Command: c})
		require.NoError(s.t, err)
	}
}

// agreed lets a person confirm and agree to everything.
func (s *study) agreed(roles ...domain.Role) {
	s.t.Helper()
	for _, r := range roles {
		s.do(domain.ConfirmPairing{Study: "S", Couple: "C1", Role: r})
		for _, scope := range domain.Scopes() {
			s.do(domain.GiveConsent{Study: "S", Couple: "C1", Role: r, Scope: scope, Version: "2026-1", At: s.clock.now()})
		}
	}
}

// events lists what the log holds, by type.
func (s *study) events() (types []string) {
	s.t.Helper()
	list, err := s.log.Read(context.Background(), 0, 100_000)
	require.NoError(s.t, err)
	for _, e := range list {
		types = append(types, e.Type)
	}
	return types
}

func (s *study) entries(r domain.Role) []domain.Entry {
	s.t.Helper()
	past, err := s.exec.Past(context.Background(), "S", "C1")
	require.NoError(s.t, err)
	return past.Couple.Entries(r)
}

// visitor is a person with a browser that has no script.
type client struct {
	*http.Client
	s *study
}

// answer is what a page answered.
type answer struct {
	status int
	header http.Header
	at     string // path and query of the last page
	body   string
}

func (s *study) visitor() *client {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &client{&http.Client{Jar: jar}, s}
}

// signedIn is a person who is signed in.
func (s *study) signedIn(r domain.Role) *client {
	c := s.visitor()
	a := c.post("/in", url.Values{"code": {string(s.codes[r].Code)}, "pin": {s.codes[r].PIN}})
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return c
}

func (c *client) send(r *http.Request) answer {
	c.s.t.Helper()
	resp, err := c.Do(r)
	require.NoError(c.s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(c.s.t, err)
	return answer{resp.StatusCode, resp.Header, resp.Request.URL.RequestURI(), string(body)}
}

func (c *client) get(path string) answer {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.s.base+path, nil)
	require.NoError(c.s.t, err)
	return c.send(r)
}

func (c *client) post(path string, form url.Values) answer {
	c.s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, c.s.base+path, strings.NewReader(form.Encode()))
	require.NoError(c.s.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return c.send(r)
}

var (
	formLink = regexp.MustCompile(`href="/me/f/([a-z2-7]+)"`)
	hidden   = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	radio    = regexp.MustCompile(`<input type="radio" name="([^"]+)" value="(-?\d+)"`)
)

// forms lists the forms that a page leads to.
func (a answer) forms() (ids []string) {
	for _, m := range formLink.FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// filled is what a form sends with the first answer everywhere, or the value that is given.
func (a answer) filled(with url.Values) url.Values {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(a.body, -1) {
		form.Set(m[1], m[2])
	}
	for _, m := range radio.FindAllStringSubmatch(a.body, -1) {
		if !form.Has(m[1]) {
			form.Set(m[1], m[2])
		}
	}
	for k, v := range with {
		form[k] = v
	}
	return form
}

func TestADiaryDayWithoutScript(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	c := s.signedIn("A")
	today := c.get("/me")
	require.Len(t, today.forms(), 2, "the diary and the first wave")
	id := ""
	for _, f := range today.forms() {
		if page := c.get("/me/f/" + f); strings.Contains(page.body, "Tuesday 3 March") {
			id = f
			assert.Equal(t, "no-store", page.header.Get("Cache-Control"))
			assert.Equal(t, 7, strings.Count(page.body, "<fieldset"))
			assert.NotContains(t, page.body, " checked", "nothing is chosen beforehand")
			s.clock.set(on(1, 20, 3))
			sent := c.post("/me/f/"+f, page.filled(nil))
			assert.Equal(t, http.StatusOK, sent.status)
			assert.Equal(t, "/me/f/"+f, sent.at, "another page, so that loading it again sends nothing")
			assert.Contains(t, sent.body, "Received at 20:03")
			again := c.post("/me/f/"+f, page.filled(nil))
			assert.Contains(t, again.body, "Received at 20:03")
			other := c.post("/me/f/"+f, page.filled(url.Values{"q.asem-daily.d_mood": {"7"}}))
			assert.Equal(t, http.StatusConflict, other.status)
			assert.Contains(t, other.body, "What you sent first, on 3 March 2026, 20:03, is kept")
		}
	}
	require.NotEmpty(t, id)
	entries := s.entries("A")
	require.Len(t, entries, 1)
	assert.Equal(t, domain.TimingOnTime, entries[0].Timing)
	assert.Len(t, entries[0].Answers, 7)
	assert.Equal(t, on(1, 20, 3).UTC(), entries[0].FilledAt)
	assert.Empty(t, s.entries("B"))
	assert.Equal(t, http.StatusNotFound, s.signedIn("B").get("/me/f/"+id).status, "a form is of one person")
	after := c.get("/me")
	assert.Contains(t, after.body, "1 of 14")
	assert.Contains(t, after.body, "1.50 EUR")
}

func TestAWave(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	c := s.signedIn("A")
	require.Len(t, c.get("/me").forms(), 1)

	first := c.get("/me/f/" + c.get("/me").forms()[0])
	sent := c.post("/me/f/"+c.get("/me").forms()[0], first.filled(nil))
	require.Contains(t, sent.body, "Go on to the next part")
	next := sent.forms()[0]

	moment := c.get("/me/f/" + next)
	assert.Contains(t, moment.body, "Is this a good moment?")
	assert.NotContains(t, moment.body, "fieldset", "nothing of the questions")
	tension := c.get("/me/f/" + next + "?now=yes")
	assert.Contains(t, tension.body, "Only if you chose “yes” before.")
	sent = c.post("/me/f/"+next, tension.filled(url.Values{"q.asem-tension.t_any": {"0"}}))
	require.Contains(t, sent.body, "Go on to the next part", sent.body)

	kinds := c.get("/me/f/" + sent.forms()[0])
	bad := c.post("/me/f/"+sent.forms()[0], kinds.filled(url.Values{"q.kinds.k_minutes": {"2000"}, "q.kinds.k_five": nil, "n.words": {strings.Repeat("x", 301)}}))
	assert.Equal(t, http.StatusUnprocessableEntity, bad.status)
	assert.Contains(t, bad.body, "There are 3 things to look at")
	assert.Contains(t, bad.body, `<a href="#q.kinds.k_minutes">Question k_minutes</a>`)
	assert.Contains(t, bad.body, "Expected a whole number from 0 to 1,440.")
	assert.Contains(t, bad.body, "This is longer than 300 characters.")
	assert.Contains(t, bad.body, `value="2000"`, "what was typed stays")
	done := c.post("/me/f/"+sent.forms()[0], kinds.filled(url.Values{"q.kinds.k_minutes": {"90"}, "q.kinds.k_five": {"skip"}, "q.kinds.k_harm": {"2"}, "n.words": {"a few words"}}))
	assert.Contains(t, done.body, "you can talk to someone at any time")
	assert.Empty(t, done.forms())

	past, err := s.exec.Past(t.Context(), "S", "C1")
	require.NoError(t, err)
	assert.Len(t, past.Couple.Entries("A"), 3)
	a, ok := past.Couple.Answer("A", domain.Occasion{Wave: 1}, "asem-tension", "t_after")
	assert.True(t, ok)
	assert.Equal(t, domain.MissingNotApplicable, a.Missing)
	a, _ = past.Couple.Answer("A", domain.Occasion{Wave: 1}, "kinds", "k_five")
	assert.Equal(t, domain.MissingSkipped, a.Missing)
	require.Len(t, past.Couple.Notes("A"), 1)
	assert.Equal(t, "a few words", past.Couple.Notes("A")[0].Text)
	assert.Len(t, past.Couple.Concerns(), 2, "the note and the answer")

	own := c.get("/me/own")
	assert.Contains(t, own.body, "a few words")
	assert.Contains(t, own.body, "90 of 1,440")
	assert.Contains(t, c.get("/me/own/journal.json").body, `"text": "a few words"`)
	csv := c.get("/me/own/journal.csv")
	assert.Contains(t, csv.body, "k_minutes,Question k_minutes,90")
	assert.Contains(t, csv.header.Get("Content-Disposition"), `filename="journal.csv"`)
}

func TestASessionThatEndedKeepsTheAnswers(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	c := s.signedIn("A")
	diary, page := "", answer{}
	for _, f := range c.get("/me").forms() {
		if p := c.get("/me/f/" + f); strings.Contains(p.body, `<h1>Diary</h1>`) {
			diary, page = f, p
		}
	}
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	s.clock.set(on(1, 20, 5))
	expired := c.post("/me/f/"+diary, page.filled(nil))
	assert.Equal(t, http.StatusUnauthorized, expired.status)
	assert.Contains(t, expired.body, "Your answers are kept on this page")
	assert.Empty(t, s.entries("A"))

	// Somebody else cannot send them as their own.
	s.clock.set(on(1, 20, 30))
	form := expired.filled(url.Values{"signin-code": {string(s.codes["B"].Code)}, "signin-pin": {s.codes["B"].PIN}})
	other := s.visitor().post("/me/f/"+diary, form)
	assert.Equal(t, http.StatusConflict, other.status)
	assert.Contains(t, other.body, "Nothing was sent or stored")
	assert.Empty(t, s.entries("B"))

	form.Set("signin-pin", "000000")
	wrong := c.post("/me/f/"+diary, form)
	assert.Equal(t, http.StatusUnauthorized, wrong.status)
	assert.Contains(t, wrong.body, "Your answers are still here")
	assert.NotContains(t, wrong.body, "000000")

	done := c.post("/me/f/"+diary, wrong.filled(url.Values{"signin-code": {string(s.codes["A"].Code)}, "signin-pin": {s.codes["A"].PIN}}))
	assert.Contains(t, done.body, "Received at 20:05", "the time of sending, not that of signing in")
	assert.Len(t, s.entries("A"), 1)
}

func TestChoicesOfWhoIsSignedOut(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	c := s.signedIn("A")
	form := c.get("/me/consent").filled(nil)
	require.NotEmpty(t, form.Get("for"))
	form.Set("scope", "diary")
	form.Set("agree", "no")
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	expired := c.post("/me/consent", form)
	assert.Equal(t, http.StatusUnauthorized, expired.status)

	agrees := func(r domain.Role) bool {
		past, err := s.exec.Past(t.Context(), "S", "C1")
		require.NoError(t, err)
		who, _ := past.Couple.Participant(r)
		_, ok := who.Consents[domain.ScopeDiary]
		return ok
	}
	// The partner, on the same phone, does not withdraw a consent by signing in.
	other := s.visitor().post("/me/consent", expired.filled(url.Values{"signin-code": {string(s.codes["B"].Code)}, "signin-pin": {s.codes["B"].PIN}}))
	assert.Equal(t, http.StatusConflict, other.status)
	assert.True(t, agrees("B"))
	assert.True(t, agrees("A"))
	done := c.post("/me/consent", expired.filled(url.Values{"signin-code": {string(s.codes["A"].Code)}, "signin-pin": {s.codes["A"].PIN}}))
	assert.Contains(t, done.body, "Your choice is stored.")
	assert.False(t, agrees("A"))
	assert.True(t, agrees("B"))
}

func TestSettings(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	c := s.signedIn("A")
	past := func() *domain.Participant {
		past, err := s.exec.Past(t.Context(), "S", "C1")
		require.NoError(t, err)
		who, _ := past.Couple.Participant("A")
		return who
	}
	bad := c.post("/me/settings", url.Values{"language": {"fr"}, "zone": {"Mars/Olympus"}, "email": {"nonsense"}})
	assert.Equal(t, http.StatusUnprocessableEntity, bad.status)
	assert.Contains(t, bad.body, "There are 3 things to look at")
	assert.Equal(t, "Europe/Berlin", past().Zone, "nothing is half done")
	assert.Empty(t, past().Email)

	good := c.post("/me/settings", url.Values{"language": {"de"}, "zone": {"America/New_York"}, "email": {"a@example.org"}})
	assert.Contains(t, good.body, "Ihre Einstellungen sind gespeichert.")
	assert.Contains(t, good.body, "Dort ist es jetzt 06:00 Uhr.")
	assert.Equal(t, []string{"de", "America/New_York", "a@example.org"}, []string{past().Language, past().Zone, past().Email})
	links, err := s.access.LinksFor(t.Context(), "a@example.org")
	require.NoError(t, err)
	assert.Len(t, links, 1)
	c.post("/me/settings", url.Values{"language": {"de"}, "zone": {"America/New_York"}, "email": {""}})
	links, err = s.access.LinksFor(t.Context(), "a@example.org")
	require.NoError(t, err)
	assert.Empty(t, links)
}

func TestLeavingTheStudy(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	c := s.signedIn("A")
	for _, day := range []string{"", "tomorrow", "2026-03-04", "2026-03-01"} {
		bad := c.post("/me/apart", url.Values{"day": {day}})
		assert.Equal(t, http.StatusUnprocessableEntity, bad.status, day)
		assert.Contains(t, bad.body, "Expected a date from 2 March 2026 to 3 March 2026.")
	}
	assert.Contains(t, c.post("/me/apart", url.Values{"day": {"2026-03-02"}}).body, "the relationship ended on 2 March 2026")
	assert.Equal(t, http.StatusUnprocessableEntity, c.post("/me/leave", nil).status)
	assert.Contains(t, c.post("/me/leave", url.Values{"sure": {"yes"}}).body, "You no longer take part.")
	assert.Contains(t, c.get("/me").body, "nothing is asked of you")
	assert.Empty(t, c.get("/me").forms())
	partner := s.signedIn("B").get("/me")
	assert.Len(t, partner.forms(), 2, "for the other everything goes on")
}

func TestAConsentTextThatChanged(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	c := s.signedIn("A")
	p := protocol()
	p.Version = 2
	p.Consents[1].Version = "2026-2"
	s.do(domain.PublishProtocol{Study: "S", Protocol: p})
	assert.Contains(t, c.get("/me/consent").body, "It is now version 2026-2")
	old := c.post("/me/consent", url.Values{"scope": {"diary"}, "version": {"2026-1"}, "agree": {"yes"}})
	assert.Equal(t, http.StatusConflict, old.status, "what is agreed to is what was on the page")
	assert.Contains(t, c.post("/me/consent", url.Values{"scope": {"diary"}, "version": {"2026-2"}, "agree": {"yes"}}).body, "(version 2026-2)")
	assert.Equal(t, http.StatusBadRequest, c.post("/me/consent", url.Values{"scope": {"everything"}, "version": {"1"}, "agree": {"yes"}}).status)
}

func TestTimesCannotBeClaimed(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	s.clock.set(on(1, 20, 0))
	c := s.signedIn("A")
	diary, page := "", answer{}
	for _, f := range c.get("/me").forms() {
		if p := c.get("/me/f/" + f); strings.Contains(p.body, `<h1>Diary</h1>`) {
			diary, page = f, p
		}
	}
	// Sent from a train: filled in after four minutes, received in the next morning.
	s.clock.set(on(2, 9, 0))
	form := page.filled(url.Values{"after": {strconv.Itoa(4 * 60 * 1000)}})
	forged := page.filled(url.Values{"issued": {strconv.FormatInt(on(1, 19, 0).UnixMilli(), 10) + page.filled(nil).Get("issued")[13:]}, "after": {"0"}})
	require.NotEqual(t, forged.Get("issued"), form.Get("issued"))
	c.post("/me/f/"+diary, forged)
	entries := s.entries("A")
	require.Len(t, entries, 1)
	assert.Equal(t, domain.TimingLate, entries[0].Timing, "a time that was made up counts for nothing")
	assert.Equal(t, on(2, 9, 0).UTC(), entries[0].FilledAt)

	s2 := newStudy(t)
	s2.agreed("A")
	s2.clock.set(on(1, 20, 0))
	c = s2.signedIn("A")
	for _, f := range c.get("/me").forms() {
		if p := c.get("/me/f/" + f); strings.Contains(p.body, `<h1>Diary</h1>`) {
			diary, page = f, p
		}
	}
	s2.clock.set(on(2, 9, 0))
	c.post("/me/f/"+diary, page.filled(url.Values{"after": {strconv.Itoa(4 * 60 * 1000)}}))
	entries = s2.entries("A")
	require.Len(t, entries, 1)
	assert.Equal(t, domain.TimingOnTime, entries[0].Timing)
	assert.Equal(t, on(1, 20, 4).UTC(), entries[0].FilledAt)
}
