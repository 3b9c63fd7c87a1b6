package access

import (
	"encoding/base32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

const goodPassword = "walnut harbour seven lamps"

// code is what the app of an enrolled user shows.
func onceOf(t *testing.T, e Enrolment, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(e.Secret, at)
	require.NoError(t, err)
	return code
}

// enrol makes a user of study S who is set up.
func enrol(t *testing.T, p place, s *Store, name string, role domain.ActorRole) Enrolment {
	t.Helper()
	_, setup, err := s.AddUser(t.Context(), name, "S", role)
	require.NoError(t, err)
	e, err := s.BeginSetup(t.Context(), setup, here(250))
	require.NoError(t, err)
	_, err = s.FinishSetup(t.Context(), setup, goodPassword, onceOf(t, e, p.clock.now()), here(250))
	require.NoError(t, err)
	p.clock.pass(time.Minute) // so that the next one-time password is another
	return e
}

func TestStaffFromLinkToSignIn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		u, setup, err := s.AddUser(ctx, " Anabel ", "DEMO", domain.ActorCoordinator)
		require.NoError(t, err)
		assert.Equal(t, "anabel", u.Name)
		assert.Regexp(t, `^staff-[a-z2-9]{9}$`, u.User, "what stands in events is no name")
		assert.Equal(t, map[string][]domain.ActorRole{"DEMO": {domain.ActorCoordinator}}, u.Roles)

		e, err := s.BeginSetup(ctx, setup, here(1))
		require.NoError(t, err)
		assert.Contains(t, e.URI, "otpauth://totp/asem:anabel?")
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
		require.NoError(t, err)
		assert.Len(t, secret, 20)
		again, err := p.open().BeginSetup(ctx, setup, here(1))
		require.NoError(t, err)
		assert.Equal(t, e, again, "a page that is loaded again shows the same")
		lost := setup
		_, setup, err = s.AddUser(ctx, "anabel", "DEMO", domain.ActorCoordinator)
		require.NoError(t, err)
		_, err = s.BeginSetup(ctx, lost, here(1))
		assert.True(t, Refused(err), "only the last link works: %v", err)
		e, err = s.BeginSetup(ctx, setup, here(1))
		require.NoError(t, err)
		assert.NotEqual(t, again.Secret, e.Secret, "whoever had the first link has seen the first key")
		_, err = s.SignInStaff(ctx, "anabel", "", onceOf(t, e, p.clock.now()), here(1))
		assert.True(t, Refused(err), "nobody comes in before a password is set: %v", err)

		for name, weak := range map[string]string{"short": "short", "name": "anabel has a password", "repeats": "aaaaaaaaaaaaaaa", "bytes": "\xff\xfe harbour seven", "long": strings.Repeat("lamp ", 60)} {
			_, err := s.FinishSetup(ctx, setup, weak, onceOf(t, e, p.clock.now()), here(1))
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), name)
			assert.ErrorContains(t, err, "password", name)
		}
		p.clock.pass(20 * time.Minute)
		_, err = s.FinishSetup(ctx, setup, goodPassword, "000000", here(1))
		assert.ErrorContains(t, err, "once:")
		_, err = s.FinishSetup(ctx, setup, goodPassword, onceOf(t, e, p.clock.now()), here(1))
		require.NoError(t, err)
		_, err = s.FinishSetup(ctx, setup, goodPassword, onceOf(t, e, p.clock.now().Add(30*time.Second)), here(1))
		assert.True(t, Refused(err), "a link works once: %v", err)
		_, err = s.BeginSetup(ctx, setup, here(1))
		assert.True(t, Refused(err))

		_, err = s.SignInStaff(ctx, "anabel", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		assert.True(t, Refused(err), "the one-time password of the set-up was used: %v", err)
		p.clock.pass(time.Minute)
		once := onceOf(t, e, p.clock.now())
		who, err := s.SignInStaff(ctx, "ANABEL", goodPassword, once[:3]+" "+once[3:], here(1))
		require.NoError(t, err)
		assert.Equal(t, u, who)
		_, err = p.open().SignInStaff(ctx, "anabel", goodPassword, once, here(1))
		assert.True(t, Refused(err), "a one-time password works once, on whichever server: %v", err)
		for name, try := range map[string][3]string{
			"another password": {"anabel", goodPassword + "s", onceOf(t, e, p.clock.now().Add(30*time.Second))},
			"no code":          {"anabel", goodPassword, ""},
			"an old code":      {"anabel", goodPassword, onceOf(t, e, p.clock.now().Add(-2*time.Minute))},
			"a future code":    {"anabel", goodPassword, onceOf(t, e, p.clock.now().Add(2*time.Minute))},
			"nobody":           {"nobody", goodPassword, once},
			"no name":          {"\x00\xff", goodPassword, once},
		} {
			_, err := s.SignInStaff(ctx, try[0], try[1], try[2], here(1))
			assert.True(t, Refused(err), "%s: %v", name, err)
			assert.Equal(t, refused().Error(), err.Error(), "the same words for all")
		}
	})
}

func TestRoles(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		for _, bad := range [][2]string{{"", "coder"}, {"-x", "coder"}, {"a b", "coder"}, {strings.Repeat("a", 65), "coder"}, {"bo", "king"}, {"bo", "system"}, {"bo", "participant"}} {
			_, _, err := s.AddUser(ctx, bad[0], "S", domain.ActorRole(bad[1]))
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), bad)
		}
		enrol(t, p, s, "bo", domain.ActorCoder)
		u, setup, err := s.AddUser(ctx, "bo", "T", domain.ActorResearcher)
		require.NoError(t, err)
		assert.Empty(t, setup, "who has a password needs no link")
		assert.True(t, u.Has("T", domain.ActorResearcher, domain.ActorCoordinator))
		assert.False(t, u.Has("S", domain.ActorResearcher))
		assert.True(t, u.Has("S"))
		assert.Equal(t, []string{"S", "T"}, u.Studies())
		assert.Equal(t, []string{"T"}, u.Studies(domain.ActorResearcher))
		list, err := s.Users(ctx)
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.True(t, list[0].SetUp)
		assert.Equal(t, u.Roles, list[0].Roles)
		require.NoError(t, s.TakeRole(ctx, "bo", "S", domain.ActorCoder))
		assert.Equal(t, domain.NotFound, domain.CodeOf(s.TakeRole(ctx, "bo", "S", domain.ActorCoder)))
		for _, err := range []error{s.DisableUser(ctx, "nobody"), func() error { _, err := s.ResetUser(ctx, "nobody"); return err }()} {
			assert.Equal(t, domain.NotFound, domain.CodeOf(err))
		}
	})
}

// A reset or a disabled account takes effect at once, on every server and on sessions too.
func TestStaffAccountsEnd(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		e := enrol(t, p, s, "cleo", domain.ActorClinician)
		signIn := func(e Enrolment) (Staff, error) {
			p.clock.pass(time.Minute)
			return s.SignInStaff(ctx, "cleo", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		}
		u, err := signIn(e)
		require.NoError(t, err)
		b := newBrowser(t, s)
		b.visit(func(w http.ResponseWriter, r *http.Request) { assert.NoError(t, b.sessions.StartStaff(r.Context(), u)) })
		require.Equal(t, "cleo", b.staff().Name)
		_, _, err = s.AddUser(ctx, "cleo", "T", domain.ActorCoder)
		require.NoError(t, err)
		assert.True(t, b.staff().Has("T", domain.ActorCoder), "a role counts at once")

		require.NoError(t, s.DisableUser(ctx, "cleo"))
		assert.Empty(t, b.staff().User)
		_, err = signIn(e)
		assert.True(t, Refused(err), "%v", err)
		_, _, err = s.AddUser(ctx, "cleo", "S", domain.ActorCoder)
		assert.Equal(t, domain.Conflict, domain.CodeOf(err))

		setup, err := s.ResetUser(ctx, "cleo")
		require.NoError(t, err)
		_, err = signIn(e)
		assert.True(t, Refused(err), "what was set up before is gone: %v", err)
		fresh, err := s.BeginSetup(ctx, setup, here(2))
		require.NoError(t, err)
		assert.NotEqual(t, e.Secret, fresh.Secret)
		p.clock.pass(setupLife)
		_, err = s.BeginSetup(ctx, setup, here(2))
		assert.True(t, Refused(err), "a set-up link expires: %v", err)
		require.NoError(t, s.Sweep(ctx))
		list, err := s.Users(ctx)
		require.NoError(t, err)
		assert.True(t, list[0].Invited.IsZero())
	})
}

// Of many that come at once with one one-time password one gets in.
func TestOneTimePasswordInARace(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		stores := []*Store{p.open(), p.open()}
		e := enrol(t, p, stores[0], "dan", domain.ActorCoder)
		once := onceOf(t, e, p.clock.now())
		var wg sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for i := range 6 {
			wg.Go(func() {
				_, err := stores[i%2].SignInStaff(t.Context(), "dan", goodPassword, once, here(byte(i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
				} else {
					assert.True(t, Refused(err), "%v", err)
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 1, in)
	})
}

// Whoever keeps guessing waits, and the same for an account that does not exist.
func TestLimits(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		e := enrol(t, p, s, "eva", domain.ActorCoder)
		for _, name := range []string{"eva", "nobody"} {
			for i := range perStaff.burst {
				_, err := s.SignInStaff(ctx, name, "wrong", "000000", here(byte(i)))
				assert.True(t, Refused(err), "%s, try %d: %v", name, i, err)
			}
			_, err := p.open().SignInStaff(ctx, name, "wrong", "000000", here(99))
			assert.True(t, Limited(err), "%s, on another server and from another address: %v", name, err)
		}
		_, err := s.SignInStaff(ctx, "eva", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		assert.True(t, Limited(err), "%v", err)
		p.clock.pass(perStaff.every)
		_, err = s.SignInStaff(ctx, "eva", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		require.NoError(t, err)
		_, err = s.SignInStaff(ctx, "eva", "wrong", "000000", here(1))
		assert.True(t, Refused(err), "what was used up came back with the right password: %v", err)

		for range perAddress.burst {
			_ = s.take(ctx, perAddress, network(here(77)))
		}
		_, err = s.SignInStaff(ctx, "somebody", "wrong", "000000", here(77))
		assert.True(t, Limited(err), "%v", err)
		p.clock.pass(24 * time.Hour)
		require.NoError(t, s.Sweep(ctx))
		var left int
		require.NoError(t, s.writer.QueryRowContext(ctx, `SELECT count(*) FROM attempt`).Scan(&left))
		assert.Zero(t, left)
	})
}

// browser keeps cookies as a browser does.
type browser struct {
	t        *testing.T
	sessions *Sessions
	jar      map[string]string
}

func newBrowser(t *testing.T, s *Store) *browser {
	return &browser{t, NewSessions(s, true, func(w http.ResponseWriter, _ *http.Request, err error) {
		assert.NoError(t, err)
		w.WriteHeader(http.StatusServiceUnavailable)
	}), map[string]string{}}
}

func (b *browser) visit(do http.HandlerFunc) []*http.Cookie {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, "/", nil)
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.sessions.Wrap(do).ServeHTTP(w, r)
	res := w.Result()
	require.NoError(b.t, res.Body.Close())
	for _, c := range res.Cookies() {
		if b.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return res.Cookies()
}

func (b *browser) staff() (u Staff) {
	b.visit(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		u, _, err = b.sessions.Staff(r.Context())
		assert.NoError(b.t, err)
	})
	return u
}

func (b *browser) participant() (p Participant) {
	b.visit(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		p, _, err = b.sessions.Participant(r.Context())
		assert.NoError(b.t, err)
	})
	return p
}
