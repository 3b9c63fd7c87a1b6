package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/events/proof"
	"asem/events/seal"
)

// site is the pages, served for a test.
type site struct {
	*server
	base string
	logs *strings.Builder
}

// newSite serves the pages, with more of a test's own before them.
func newSite(t *testing.T, mail LinkSender, more ...page) *site {
	t.Helper()
	dir := t.TempDir()
	signer, _, err := proof.NewSigner()
	require.NoError(t, err)
	keys, err := seal.NewFile(filepath.Join(dir, "keys"), signer)
	require.NoError(t, err)
	store, err := access.OpenSQLite(t.Context(), filepath.Join(dir, "access.db"), keys)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := &site{logs: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(s.logs, nil))
	c := Config{Endpoint: "/graphql", IsOperator: func(*http.Request) bool { return false }, Access: store, Links: mail, Logger: log, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Sessions: access.NewSessions(store, false, func(w http.ResponseWriter, _ *http.Request, err error) { Failed(log, w, err) })}
	mux := http.NewServeMux()
	serving := httptest.NewServer(c.Sessions.Wrap(mux))
	t.Cleanup(serving.Close)
	c.Base, s.base = serving.URL, serving.URL
	s.server = newServer(c)
	for _, p := range more {
		mux.Handle(p.pattern, p.open(s.server))
	}
	mux.Handle("/", New(c))
	return s
}

// visitor is a browser without script.
type visitor struct {
	t    *testing.T
	site *site
	http *http.Client
	from string // its address
}

func (s *site) visitor(t *testing.T, from string) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, from}
}

// reply is what came back without its body.
type reply struct {
	StatusCode int
	Header     http.Header
	cookies    []*http.Cookie
}

func (r reply) Cookies() []*http.Cookie { return r.cookies }

// do sends a form, or asks for a page where there is none.
func (v *visitor) do(method, path string, form url.Values) (reply, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.site.base+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("X-Forwarded-For", v.from)
	res, err := v.http.Do(r)
	require.NoError(v.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	return reply{res.StatusCode, res.Header, res.Cookies()}, string(body)
}

func (v *visitor) get(path string) (reply, string) {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil)
}

func (v *visitor) post(path string, pairs ...string) (reply, string) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.do(http.MethodPost, path, form)
}

var secretInPage = regexp.MustCompile(`<code id="secret">([A-Z2-7]{32})</code>`)

const password = "walnut harbour seven lamps"

// employ makes a user and signs in by the pages.
func (v *visitor) employ(name, study string, role domain.ActorRole) {
	v.t.Helper()
	_, setup, err := v.site.Access.AddUser(v.t.Context(), name, study, role)
	require.NoError(v.t, err)
	_, page := v.post("/staff/setup", "setup", v.site.base+"/staff/setup#setup="+setup)
	found := secretInPage.FindStringSubmatch(page)
	require.Len(v.t, found, 2, page)
	once, err := totp.GenerateCode(found[1], time.Now())
	require.NoError(v.t, err)
	res, page := v.post("/staff/setup/done", "setup", setup, "password", password, "again", password, "once", once)
	require.Equal(v.t, http.StatusSeeOther, res.StatusCode, page)
}

var (
	self    = access.Participant{Study: "DEMO", Couple: "001", Role: "A"}
	partner = access.Participant{Study: "DEMO", Couple: "001", Role: "B"}
)

func (v *visitor) signIn(p access.Participant) {
	v.t.Helper()
	c, err := v.site.Access.IssueCode(v.t.Context(), p)
	require.NoError(v.t, err)
	res, page := v.post("/in", "code", strings.ToLower(c.Code.String()), "pin", c.PIN)
	require.Equal(v.t, http.StatusSeeOther, res.StatusCode, page)
	require.Equal(v.t, "/me", res.Header.Get("Location"))
}

// Each policy lets in whom it names, and to the others a page that is not for them looks like one that is not there.
func TestPolicies(t *testing.T) {
	said := func(w http.ResponseWriter, text string) {
		_, err := io.WriteString(w, text)
		assert.NoError(t, err)
	}
	ofRole := func(w http.ResponseWriter, _ *http.Request, u access.Staff) { said(w, "for "+u.Name) }
	s := newSite(t, nil,
		page{"GET /me/x", participants(func(w http.ResponseWriter, _ *http.Request, p access.Participant) {
			said(w, p.Couple+" "+string(p.Role))
		})},
		page{"POST /me/x", participants(func(w http.ResponseWriter, _ *http.Request, _ access.Participant) { said(w, "stored") })},
		page{"POST /me/y", participantsOr(func(w http.ResponseWriter, _ *http.Request, _ access.Participant) { said(w, "stored") }, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			said(w, "kept for you")
		})},
		page{"GET /staff/coding", staff(ofRole, domain.ActorCoder)},
		page{"POST /staff/coding", staff(ofRole, domain.ActorCoder)},
		page{"GET /staff/{study}/couples", ofStudy(func(w http.ResponseWriter, _ *http.Request, u access.Staff, study string) {
			said(w, u.Name+" in "+study)
		}, domain.ActorCoordinator)},
	)
	nobody, a, b := s.visitor(t, "192.0.2.1"), s.visitor(t, "192.0.2.1"), s.visitor(t, "192.0.2.1")
	a.signIn(self)
	b.signIn(partner)
	coder, coordinator, abroad := s.visitor(t, "192.0.2.1"), s.visitor(t, "192.0.2.1"), s.visitor(t, "192.0.2.1")
	coder.employ("cora", "DEMO", domain.ActorCoder)
	coordinator.employ("ana", "DEMO", domain.ActorCoordinator)
	abroad.employ("olaf", "OTHER", domain.ActorCoordinator)
	couples := "/staff/" + s.studyRef("DEMO") + "/couples"
	assert.NotContains(t, couples, "DEMO")
	for name, c := range map[string]struct {
		who          *visitor
		method, path string
		status       int
		says         string // in the page, or where it leads
	}{
		"a participant":                 {a, "GET", "/me/x", 200, "001 A"},
		"the partner":                   {b, "GET", "/me/x", 200, "001 B"},
		"nobody, a participant's page":  {nobody, "GET", "/me/x", 303, "/in"},
		"staff, a participant's page":   {coordinator, "GET", "/me/x", 303, "/in"},
		"nobody sends something":        {nobody, "POST", "/me/x", 401, "signed out"},
		"nobody sends, with an answer":  {nobody, "POST", "/me/y", 401, "kept for you"},
		"a participant sends":           {a, "POST", "/me/y", 200, "stored"},
		"a coder":                       {coder, "GET", "/staff/coding", 200, "for cora"},
		"another role":                  {coordinator, "GET", "/staff/coding", 404, "no such page"},
		"another role sends":            {coordinator, "POST", "/staff/coding", 404, "no such page"},
		"a participant, a staff page":   {a, "GET", "/staff/coding", 303, "/staff/in"},
		"nobody sends as staff":         {nobody, "POST", "/staff/coding", 401, "signed out"},
		"nobody, no staff page":         {nobody, "GET", "/staff/nothing", 303, "/staff/in"},
		"nobody sends to no staff page": {nobody, "POST", "/staff/nothing", 401, "signed out"},
		"the study's coordinator":       {coordinator, "GET", couples, 200, "ana in DEMO"},
		"another study's coordinator":   {abroad, "GET", couples, 404, "no such page"},
		"the study's coder":             {coder, "GET", couples, 404, "no such page"},
		"a study that is not there":     {coordinator, "GET", "/staff/aaaa/couples", 404, "no such page"},
		"a code is no reference":        {coordinator, "GET", "/staff/DEMO/couples", 404, "no such page"},
	} {
		res, page := c.who.do(c.method, c.path, nil)
		assert.Equal(t, c.status, res.StatusCode, name)
		assert.Contains(t, page+res.Header.Get("Location"), c.says, name)
		assert.Equal(t, "no-store", res.Header.Values("Cache-Control")[0], name)
		if c.status == 404 {
			_, missing := c.who.do(c.method, "/staff/nothing/at/all", nil)
			assert.Equal(t, missing, page, "%s: forbidden and missing look the same", name)
		}
	}
	_, home := coordinator.get("/staff")
	assert.Contains(t, home, "DEMO")
	assert.Contains(t, home, `<a href="/query">Query</a>`)
	_, home = coder.get("/staff")
	assert.NotContains(t, home, "/query")
	assert.Empty(t, s.logs.String())
}

// A role counts from the next page on, and a page of a former coordinator is not there any more.
func TestRolesAreReadForEveryPage(t *testing.T) {
	s := newSite(t, nil)
	v := s.visitor(t, "192.0.2.1")
	v.employ("ana", "DEMO", domain.ActorCoordinator)
	require.NoError(t, s.Access.TakeRole(t.Context(), "ana", "DEMO", domain.ActorCoordinator))
	_, home := v.get("/staff")
	assert.Contains(t, home, "no role in a study")
	assert.NotContains(t, home, "DEMO")
	require.NoError(t, s.Access.DisableUser(t.Context(), "ana"))
	res, _ := v.get("/staff")
	assert.Equal(t, "/staff/in", res.Header.Get("Location"))
}

func TestStaffPagesTellWhatToMend(t *testing.T) {
	s := newSite(t, nil)
	v := s.visitor(t, "192.0.2.1")
	_, setup, err := s.Access.AddUser(t.Context(), "ana", "DEMO", domain.ActorCoordinator)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		path   string
		form   []string
		status int
		says   string
	}{
		"no code":            {"/staff/setup", nil, 401, "not valid"},
		"a wrong code":       {"/staff/setup", []string{"setup", "x"}, 401, "not valid"},
		"passwords differ":   {"/staff/setup/done", []string{"setup", setup, "password", password, "again", "x", "once", "1"}, 422, "The two passwords differ."},
		"too short":          {"/staff/setup/done", []string{"setup", setup, "password", "short", "again", "short", "once", "1"}, 422, "The password has 5 characters; expected at least 12"},
		"no one-time":        {"/staff/setup/done", []string{"setup", setup, "password", password, "again", password}, 422, "The one-time password does not fit"},
		"a field is missing": {"/staff/in", []string{"name", "ana"}, 422, "all needed"},
		"nobody":             {"/staff/in", []string{"name", "nobody", "password", "x", "once", "1"}, 401, "do not fit"},
		"not set up":         {"/staff/in", []string{"name", "ana", "password", "x", "once", "1"}, 401, "do not fit"},
		"too much":           {"/staff/in", []string{"name", strings.Repeat("x", maxForm)}, 400, "cannot be read"},
	} {
		res, page := v.post(c.path, c.form...)
		assert.Equal(t, c.status, res.StatusCode, name)
		assert.Contains(t, page, c.says, name)
		assert.Empty(t, res.Cookies(), name)
	}
	assert.Empty(t, s.logs.String())
}

// mailbox is where sign-in links arrive.
type mailbox chan [2]string // address and link

func (m mailbox) SendLink(_ context.Context, _ access.Participant, address, link string) error {
	m <- [2]string{address, link}
	return nil
}

func TestSignInByLink(t *testing.T) {
	mail := make(mailbox, 9)
	s := newSite(t, mail)
	require.NoError(t, s.Access.SetEmail(t.Context(), self, "ann@example.org"))
	v := s.visitor(t, "192.0.2.1")
	res, unknown := v.post("/in/email", "email", "nobody@example.org")
	assert.Equal(t, 200, res.StatusCode)
	known := res.Header
	res, page := v.post("/in/email", "email", " Ann@Example.org")
	assert.Equal(t, unknown, page, "whether an address is known does not show")
	known.Del("Date")
	res.Header.Del("Date")
	assert.Equal(t, known, res.Header)
	sent := <-mail
	assert.Equal(t, "ann@example.org", sent[0])
	assert.Empty(t, mail)
	path := strings.TrimPrefix(sent[1], s.base)
	require.Regexp(t, `^/in/link/[\w-]{43}$`, path)

	for range 2 { // a program that looks into mail opens it
		res, page = s.visitor(t, "192.0.2.9").get(path)
		assert.Equal(t, 200, res.StatusCode)
		assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		assert.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"))
		assert.Empty(t, res.Cookies())
	}
	token := path[len("/in/link/"):]
	assert.Contains(t, page, `value="`+token+`"`)
	res, _ = v.post("/in/link", "token", token)
	assert.Equal(t, "/me", res.Header.Get("Location"))
	assert.Len(t, res.Cookies(), 1)
	res, page = v.post("/in/link", "token", token)
	assert.Equal(t, 401, res.StatusCode)
	assert.Contains(t, page, "works no more")

	res, page = v.post("/in/email", "email", "no address")
	assert.Equal(t, 422, res.StatusCode)
	assert.Contains(t, page, "This is no e-mail address")
	for range 4 {
		res, _ = v.post("/in/email", "email", "nobody@example.org")
	}
	assert.Equal(t, http.StatusTooManyRequests, res.StatusCode, "as for one that is known")
	res, _ = newSite(t, nil).visitor(t, "192.0.2.1").post("/in/email", "email", "ann@example.org")
	assert.Equal(t, 404, res.StatusCode, "where no mail is sent")
	assert.Empty(t, s.logs.String())
}

func TestSignInByCode(t *testing.T) {
	s := newSite(t, nil)
	v := s.visitor(t, "192.0.2.1")
	c, err := s.Access.IssueCode(t.Context(), self)
	require.NoError(t, err)
	for name, try := range map[string]struct {
		code, pin, says string
		status          int
	}{
		"mistyped":      {"234-678-9AA", c.PIN, "typing mistake", 422},
		"nobody's code": {access.NewCode().String(), c.PIN, "do not fit", 401},
		"another PIN":   {c.Code.String(), "x", "do not fit", 401},
	} {
		res, page := v.post("/in", "code", try.code, "pin", try.pin)
		assert.Equal(t, try.status, res.StatusCode, name)
		assert.Contains(t, page, try.says, name)
		assert.NotContains(t, page, try.code, name)
		assert.Contains(t, page, "<title>Journal</title>", name)
	}
	for range 5 {
		v.post("/in", "code", string(c.Code), "pin", "x")
	}
	res, page := v.post("/in", "code", string(c.Code), "pin", c.PIN)
	assert.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	assert.Contains(t, page, "too many attempts")

	v.signIn(partner)
	res, _ = v.post("/in/out")
	assert.Equal(t, "/in?out", res.Header.Get("Location"))
	assert.Equal(t, `"cache"`, res.Header.Get("Clear-Site-Data"))
	require.Len(t, res.Cookies(), 1)
	assert.Negative(t, res.Cookies()[0].MaxAge)
	_, page = v.get("/in?out")
	assert.Contains(t, page, "You are signed out.")
	assert.Empty(t, s.logs.String())
}

// Another site cannot act in the name of who is signed in here, nor sign somebody in or out.
func TestOtherSites(t *testing.T) {
	s := newSite(t, nil)
	for _, p := range s.table() {
		method, path, ok := strings.Cut(p.pattern, " ")
		if !ok || method != http.MethodPost {
			continue
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.base+path, nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusForbidden, res.StatusCode, path)
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/", "/in", "/in/link/x", "/staff", "/staff/in", "/staff/setup", "/nothing", "/assets/asem.css"} {
		res, _ := s.visitor(t, "192.0.2.1").get(path)
		csp := res.Header.Get("Content-Security-Policy")
		assert.Contains(t, csp, "default-src 'none'", path)
		assert.NotContains(t, csp, "unsafe", path)
		assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"), path)
		assert.Empty(t, res.Header.Get("Strict-Transport-Security"), "not without TLS: %s", path)
		assert.Empty(t, res.Cookies(), path)
	}
	c := s.Config
	c.Base = "https://study.example"
	w := httptest.NewRecorder()
	c.Sessions.Wrap(New(c)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/in", nil))
	assert.Contains(t, w.Header().Get("Strict-Transport-Security"), "max-age=63072000")
}

func TestFrom(t *testing.T) {
	s := &server{Config: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for name, c := range map[string]struct {
		remote, forwarded, want string
	}{
		"no proxy":                   {"192.0.2.1:80", "", "192.0.2.1"},
		"whoever claims":             {"192.0.2.1:80", "203.0.113.9", "192.0.2.1"},
		"a proxy":                    {"10.0.0.1:80", "203.0.113.9", "203.0.113.9"},
		"a claim through a proxy":    {"10.0.0.1:80", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		"two proxies":                {"10.0.0.1:80", "198.51.100.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"},
		"a proxy that says nothing":  {"10.0.0.1:80", "", "10.0.0.1"},
		"a proxy that says nonsense": {"10.0.0.1:80", "203.0.113.9, unknown", "10.0.0.1"},
		"IPv6":                       {"[2001:db8::1]:80", "", "2001:db8::1"},
		"IPv4 in IPv6":               {"[::ffff:10.0.0.1]:80", "203.0.113.9", "203.0.113.9"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		assert.Equal(t, c.want, s.from(r).String(), name)
	}
}

func fileText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}
