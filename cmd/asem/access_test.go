package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events/eventstest"
)

var updateAccess = flag.Bool("update-access", false, "write testdata/access.txt anew")

// who is somebody who asks for pages: a browser without script.
type who struct {
	base     string
	http     *http.Client
	operator string // token; empty: none
	from     string // network address
}

var addresses atomic.Int32

func newWho(t *testing.T, base string) *who {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &who{base: base, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, from: fmt.Sprintf("192.0.2.%d", addresses.Add(1))}
}

// reply is what came back without its body.
type reply struct {
	status int
	header http.Header
}

func (v *who) do(t *testing.T, method, path string, form url.Values) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("X-Forwarded-For", v.from)
	if v.operator != "" {
		r.SetBasicAuth("me", v.operator)
	}
	res, err := v.http.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reply{res.StatusCode, res.Header}, string(body)
}

const staffPassword = "walnut harbour seven lamps"

var setupCodeIn = regexp.MustCompile(`#setup=([\w-]{43})`)

// hire makes a user by the command and sets up the account by the pages.
func (v *who) hire(t *testing.T, data, study, role, name string) {
	t.Helper()
	said := must(t, "user", "add", "--data", data, "--study", study, "--role", role, "--name", name, "--url", v.base)
	found := setupCodeIn.FindStringSubmatch(said)
	require.Len(t, found, 2, said)
	_, page := v.do(t, http.MethodPost, "/staff/setup", url.Values{"setup": {found[1]}})
	key := regexp.MustCompile(`<code id="secret">(\w+)</code>`).FindStringSubmatch(page)
	require.Len(t, key, 2, page)
	once, err := totp.GenerateCode(key[1], time.Now())
	require.NoError(t, err)
	res, page := v.do(t, http.MethodPost, "/staff/setup/done", url.Values{"setup": {found[1]}, "password": {staffPassword}, "again": {staffPassword}, "once": {once}})
	require.Equal(t, http.StatusSeeOther, res.status, page)
}

// doorOf opens what says who may come in beside a server.
func doorOf(t *testing.T, data string, do func(*access.Store)) {
	t.Helper()
	s := storage{Data: data}
	require.NoError(t, s.withAccess(t.Context(), func(_ *archived, a *access.Store) error {
		do(a)
		return nil
	}))
}

func (v *who) comeIn(t *testing.T, c access.Credential) {
	t.Helper()
	res, page := v.do(t, http.MethodPost, "/in", url.Values{"code": {c.Code.String()}, "pin": {c.PIN}})
	require.Equal(t, http.StatusSeeOther, res.status, page)
}

// examplePaths are paths of the pages whose pattern has wildcards; a page without one here fails the test. {study} is always DEMO, {couple} its couple 001.
var examplePaths = map[string]string{
	"GET /in/link/{token}":         "/in/link/x",
	"GET /m/{ref}":                 "/m/x",
	"GET /join/{token}":            "/join/x",
	"POST /join/{token}":           "/join/x",
	"GET /me/f/{id}":               "/me/f/x",
	"POST /me/f/{id}":              "/me/f/x",
	"/me/":                         "/me/there/is/no/such/page",
	"/staff/":                      "/staff/there/is/no/such/page",
	"/":                            "/there/is/no/such/page",
	"GET /code/{assignment}/video": "/code/x/video",
	"/code/":                       "/code/there/is/no/such/page",
	"HEAD /staff/{study}/couples/{couple}/video/uploads/{upload}":   "/staff/{study}/couples/{couple}/video/uploads/x",
	"PATCH /staff/{study}/couples/{couple}/video/uploads/{upload}":  "/staff/{study}/couples/{couple}/video/uploads/x",
	"DELETE /staff/{study}/couples/{couple}/video/uploads/{upload}": "/staff/{study}/couples/{couple}/video/uploads/x",
	"GET /code/{assignment}":        "/code/0b4c2f9e-6a58-4b6f-8d0e-1f0c8f1f5c11",
	"POST /code/{assignment}":       "/code/0b4c2f9e-6a58-4b6f-8d0e-1f0c8f1f5c11",
	"POST /code/{assignment}/draft": "/code/0b4c2f9e-6a58-4b6f-8d0e-1f0c8f1f5c11/draft",
}

// TestWhoMayOpenWhichPage asks for every page as everybody, by real requests, and compares with testdata/access.txt. Read the difference before
// go test ./cmd/asem -run WhoMayOpen -update-access.
func TestWhoMayOpenWhichPage(t *testing.T) {
	base, _, keeper, data := serveDemoWith(t, func(data string) {
		s := storage{Data: data}
		require.NoError(t, s.with(t.Context(), func(h *house) error {
			_, err := h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.CreateStudy{Study: "OTHER", Title: "Another study", Zone: "Etc/UTC"}})
			return err
		}))
	})
	var study, couple, clip string
	credentials := map[string]access.Credential{}
	doorOf(t, data, func(a *access.Store) {
		study, couple, clip = web.StudyRef(a, "DEMO"), web.CoupleRef(a, "DEMO", "001"), web.ClipRef(a, "DEMO", "001", "talk-1")
		for name, p := range map[string]access.Participant{"participant": {Study: "DEMO", Couple: "001", Role: "A"}, "partner": {Study: "DEMO", Couple: "001", Role: "B"}, "other couple": {Study: "DEMO", Couple: "002", Role: "A"}} {
			c, err := a.IssueCode(t.Context(), p)
			require.NoError(t, err)
			credentials[name] = c
		}
	})
	names := []string{"anonymous", "participant", "partner", "other couple", "coordinator", "coder", "researcher", "clinician", "coordinator of another study", "operator"}
	all := map[string]*who{}
	for _, name := range names {
		v := newWho(t, base)
		all[name] = v
		role, _, _ := strings.Cut(name, " of ")
		switch {
		case name == "operator":
			v.operator = keeper
		case role != name:
			v.hire(t, data, "OTHER", role, "abroad")
		case slices.Contains(access.StaffRoles, domain.ActorRole(name)):
			v.hire(t, data, "DEMO", role, name)
		case name != "anonymous":
			v.comeIn(t, credentials[name])
		}
	}
	pages := web.Pages()
	ends := regexp.MustCompile(`^POST .*/(out|exit)$`)
	slices.SortStableFunc(pages, func(a, b web.Page) int { // what ends a session comes last
		return len(ends.FindString(a.Pattern)) - len(ends.FindString(b.Pattern))
	})
	lines := map[string]string{}
	for _, p := range pages {
		method, path, ok := strings.Cut(p.Pattern, " ")
		if !ok {
			method, path = http.MethodGet, p.Pattern
		}
		if example, ok := examplePaths[p.Pattern]; ok {
			path = example
		}
		path = strings.ReplaceAll(strings.ReplaceAll(path, "{$}", ""), "{study}", study)
		path = strings.ReplaceAll(strings.ReplaceAll(path, "{couple}", couple), "{clip}", clip)
		require.NotContains(t, path, "{", "a path for %s is missing in examplePaths", p.Pattern)
		by := map[string][]string{}
		for _, name := range names {
			res, body := all[name].do(t, method, path, url.Values{})
			outcome := fmt.Sprint(res.status)
			if to := res.header.Get("Location"); to != "" {
				outcome += " to " + to
			}
			by[outcome] = append(by[outcome], name)
			if staff := strings.HasPrefix(p.Policy, "staff"); res.status == http.StatusNotFound && (staff && !strings.Contains(p.Policy, name) || p.Policy == "participant") {
				_, missing := all[name].do(t, method, path[:1+strings.IndexByte(path[1:]+"/", '/')]+"/there/is/no/such/page", url.Values{})
				assert.Equal(t, missing, body, "%s for %s: forbidden and missing look the same", p.Pattern, name)
			}
			assert.Less(t, res.status, 500, "%s for %s: %s", p.Pattern, name, body)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n    policy: %s\n", p.Pattern, p.Policy)
		for _, outcome := range slices.Sorted(maps.Keys(by)) {
			asked := strings.Join(by[outcome], ", ")
			if len(by) == 1 {
				asked = "everybody"
			}
			fmt.Fprintf(&b, "    %s: %s\n", outcome, asked)
		}
		lines[p.Pattern] = b.String()
	}
	var got strings.Builder
	got.WriteString("Who may open which page: the status, and where it leads. Made by real requests; see TestWhoMayOpenWhichPage.\n")
	for _, p := range web.Pages() {
		got.WriteString("\n" + lines[p.Pattern])
	}
	golden := filepath.Join("testdata", "access.txt")
	if *updateAccess {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String())
}

// GraphQL takes the session of a researcher or coordinator of the study, and nobody else's.
func TestGraphQLWithASession(t *testing.T) {
	base, _, _, data := serveDemo(t)
	for role, may := range map[string]bool{"coordinator": true, "researcher": true, "coder": false, "clinician": false} {
		v := newWho(t, base)
		v.hire(t, data, "DEMO", role, role)
		ask := func(change func(*http.Request)) (status int, answer struct {
			Data struct {
				Viewer *struct {
					Role    string
					Studies []string
				}
				Study *struct{ Title string }
			}
		}) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/graphql", strings.NewReader(`{"query":"{ viewer { role studies } study(code: \"DEMO\") { title } }"}`))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			change(r)
			res, err := v.http.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			_ = json.NewDecoder(res.Body).Decode(&answer) // not JSON where it is refused
			return res.StatusCode, answer
		}
		_, answer := ask(func(*http.Request) {})
		assert.Equal(t, may, answer.Data.Study != nil, role)
		if may {
			assert.Equal(t, strings.ToUpper(role), strings.ToUpper(answer.Data.Viewer.Role))
			assert.Equal(t, []string{"DEMO"}, answer.Data.Viewer.Studies)
		}
		status, answer := ask(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		assert.Equal(t, http.StatusForbidden, status, "another site")
		assert.Nil(t, answer.Data.Study)
		_, answer = ask(func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") })
		assert.Nil(t, answer.Data.Study, "a wrong token is not made good by a session")
		res, _ := v.do(t, http.MethodPost, "/staff/out", nil)
		assert.Equal(t, `"cache"`, res.header.Get("Clear-Site-Data"))
		_, answer = ask(func(*http.Request) {})
		assert.Nil(t, answer.Data.Study, "signed out")
	}
}

func TestUserCommand(t *testing.T) {
	for name, more := range map[string][]string{"sqlite": nil, "postgres": {"--postgres", eventstest.NewServer(t).DSN}} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			args := append([]string{"--data", data}, more...)
			ask := func(verb ...string) (string, string, int) {
				return asem(t, append(append([]string{"user"}, verb...), args...)...)
			}
			must(t, append([]string{"simulate", "--couples", "2", "--separations", "0"}, args...)...)
			said, _, _ := ask("list")
			assert.Contains(t, said, "There are no users")
			said, _, code := ask("add", "--study", "DEMO", "--role", "coordinator", "--name", "Ana", "--url", "https://study.example/")
			assert.Zero(t, code)
			assert.Regexp(t, `Set-up link: https://study.example/staff/setup#setup=[\w-]{43}\n`, said)
			again, _, _ := ask("add", "--study", "DEMO", "--role", "researcher", "--name", "ana")
			assert.NotEqual(t, setupCodeIn.FindString(said), setupCodeIn.FindString(again), "a new link each time until it is used")
			said, _, _ = ask("list")
			assert.Regexp(t, `ana +staff-\w{9} +link until [-0-9: ]+ UTC +DEMO coordinator, DEMO researcher`, said)
			said, _, _ = ask("remove", "--study", "DEMO", "--role", "researcher", "--name", "ana")
			assert.Contains(t, said, "no more")
			said, _, _ = ask("disable", "--name", "ana")
			assert.Contains(t, said, "ana is disabled")
			said, _, _ = ask("list")
			assert.Regexp(t, `disabled +DEMO coordinator`, said)
			said, _, _ = ask("reset", "--name", "ana")
			assert.Contains(t, said, "Set-up link: http://127.0.0.1:8080/staff/setup#setup=")
			for says, verb := range map[string][]string{
				`no study "NONE"`:    {"add", "--study", "NONE", "--role", "coder", "--name", "bo"},
				"name: ":             {"add", "--study", "DEMO", "--role", "coder", "--name", "b o"},
				"must be one of":     {"add", "--study", "DEMO", "--role", "king", "--name", "bo"},
				"no user of this":    {"reset", "--name", "nobody"},
				"is coder of study":  {"remove", "--study", "DEMO", "--role", "coder", "--name", "ana"},
				"--url: expected an": {"reset", "--name", "ana", "--url", "study.example"},
			} {
				_, message, code := ask(verb...)
				assert.Equal(t, 2, code, verb)
				assert.Contains(t, message, says)
			}
		})
	}
}

// Who is erased can sign in no more, neither where an older backup is restored; and neither a new master key nor a restore locks anybody else out.
func TestErasedPersonsCannotSignIn(t *testing.T) {
	dir := t.TempDir()
	s := storage{Data: filepath.Join(dir, "data")}
	observe(t, s)
	var mine, theirs access.Credential
	doorOf(t, s.Data, func(a *access.Store) {
		var err, e error
		mine, err = a.IssueCode(t.Context(), access.Participant{Study: "S", Couple: "1", Role: "A"})
		theirs, e = a.IssueCode(t.Context(), access.Participant{Study: "S", Couple: "1", Role: "B"})
		require.NoError(t, errors.Join(err, e))
	})
	backups, before, restored := filepath.Join(dir, "backups"), filepath.Join(dir, "before"), filepath.Join(dir, "restored")
	must(t, "backup", backups, "--data", s.Data)
	must(t, "key", "rotate", "--data", s.Data)
	must(t, "key", "forget", "--data", s.Data, "--backups", backups)
	must(t, "backup", backups, "--data", s.Data) // the one before cannot be read any more
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	last := slices.Max(files)
	must(t, "restore", last, "--data", before, "--master-key-file", filepath.Join(s.Data, "keys"))
	must(t, "erase", "--data", s.Data, "--study", "S", "--couple", "1", "--role", "A", "--backups", backups, "--yes-erase-for-good")
	must(t, "restore", last, "--data", restored, "--master-key-file", filepath.Join(s.Data, "keys"))
	for data, status := range map[string]int{before: http.StatusSeeOther, s.Data: http.StatusUnauthorized, restored: http.StatusUnauthorized} {
		base := serveOn(t, "--data", data, "--master-key-file", filepath.Join(s.Data, "keys"))
		res, _ := newWho(t, base).do(t, http.MethodPost, "/in", url.Values{"code": {mine.Code.String()}, "pin": {mine.PIN}})
		assert.Equal(t, status, res.status, data)
		newWho(t, base).comeIn(t, theirs)
	}

	_, message, code := asem(t, "serve", "--data", s.Data, "--proxy", "nonsense")
	assert.Equal(t, 2, code)
	assert.Contains(t, message, `--proxy: "nonsense" is not a network`)
	_, message, code = asem(t, "serve", "--data", s.Data, "--url", "https://study.example/path")
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "--url: expected an address")
}

// The demo prints a way in for each role.
func TestDemoStaff(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	must(t, "simulate", "--couples", "2", "--separations", "0", "--data", s.Data)
	require.NoError(t, s.with(context.Background(), func(h *house) error {
		for range 2 {
			lines, err := h.demoStaff(t.Context(), "DEMO")
			require.NoError(t, err)
			said := strings.Join(lines("http://here"), "\n")
			assert.Regexp(t, `Set up demo-coordinator \(staff, once\): http://here/staff/setup#setup=[\w-]{43}\nSet up demo-researcher `, said)
			setup := setupCodeIn.FindStringSubmatch(said)[1]
			_, err = h.access.BeginSetup(t.Context(), setup, netip.Addr{})
			require.NoError(t, err)
		}
		return nil
	}))
}
