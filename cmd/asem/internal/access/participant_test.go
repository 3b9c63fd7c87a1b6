package access

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

var (
	self    = Participant{"S", "001", "A"}
	partner = Participant{"S", "001", "B"}
	other   = Participant{"S", "002", "A"}
)

func TestCodeAndPIN(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		mine, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		theirs, err := s.IssueCode(ctx, partner)
		require.NoError(t, err)
		assert.Regexp(t, `^\d{6}$`, mine.PIN)
		who, err := s.SignInParticipant(ctx, mine.Code, mine.PIN[:3]+" "+mine.PIN[3:], here(1))
		require.NoError(t, err)
		assert.Equal(t, self, who)
		who, err = p.open().SignInParticipant(ctx, theirs.Code, theirs.PIN, here(1))
		require.NoError(t, err)
		assert.Equal(t, partner, who)
		for name, try := range map[string]Credential{"the partner's PIN": {mine.Code, theirs.PIN + "1"}, "no PIN": {mine.Code, ""}, "nobody's code": {NewCode(), mine.PIN}} {
			_, err := s.SignInParticipant(ctx, try.Code, try.PIN, here(1))
			assert.True(t, Refused(err), "%s: %v", name, err)
			assert.Equal(t, refused().Error(), err.Error())
		}
		fresh, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		_, err = s.SignInParticipant(ctx, mine.Code, mine.PIN, here(1))
		assert.True(t, Refused(err), "a code that was replaced: %v", err)
		for range perCode.burst {
			_, _ = s.SignInParticipant(ctx, fresh.Code, "x", here(2))
		}
		_, err = s.SignInParticipant(ctx, fresh.Code, fresh.PIN, here(3))
		assert.True(t, Limited(err), "%v", err)
		p.clock.pass(perCode.every)
		_, err = s.SignInParticipant(ctx, fresh.Code, fresh.PIN, here(3))
		require.NoError(t, err)
		for _, bad := range []Participant{{}, {"S", "001", ""}, {"S", "0/1", "A"}} {
			_, err := s.IssueCode(ctx, bad)
			assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		}
	})
}

func TestLinks(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		require.NoError(t, s.SetEmail(ctx, self, " Ann.Ö@Example.ORG "))
		assert.Equal(t, domain.Conflict, domain.CodeOf(s.SetEmail(ctx, partner, "ann.O\u0308@example.org")), "partners who share a mailbox would come in as each other")
		assert.Equal(t, domain.Conflict, domain.CodeOf(s.SetEmail(ctx, other, "ann.ö@example.org")))
		require.NoError(t, s.SetEmail(ctx, self, "ann.ö@example.org"), "again")
		elsewhere := Participant{"T", "9", "B"}
		require.NoError(t, s.SetEmail(ctx, elsewhere, "ann.ö@example.org"))

		none, err := s.LinksFor(ctx, "nobody@example.org")
		require.NoError(t, err)
		assert.Empty(t, none)
		links, err := s.LinksFor(ctx, "ann.ö@example.org")
		require.NoError(t, err)
		require.Len(t, links, 2)
		assert.Equal(t, []Participant{self, elsewhere}, []Participant{links[0].Participant, links[1].Participant})
		assert.Len(t, links[0].Token, 43, "256 bits")
		newer, err := s.LinksFor(ctx, "ann.ö@example.org")
		require.NoError(t, err)
		_, err = s.FollowLink(ctx, links[0].Token, here(1))
		assert.True(t, Refused(err), "only the last link lives: %v", err)
		who, err := s.FollowLink(ctx, newer[0].Token, here(1))
		require.NoError(t, err)
		assert.Equal(t, self, who)
		_, err = s.FollowLink(ctx, newer[0].Token, here(1))
		assert.True(t, Refused(err), "once: %v", err)
		p.clock.pass(linkLife)
		_, err = s.FollowLink(ctx, newer[1].Token, here(1))
		assert.True(t, Refused(err), "for a quarter of an hour: %v", err)
		_, err = s.FollowLink(ctx, "", here(1))
		assert.True(t, Refused(err), "%v", err)

		ways, err := s.WaysOf(ctx, "S")
		require.NoError(t, err)
		assert.Equal(t, map[Participant]Ways{self: {Email: true}}, ways)
		require.NoError(t, s.RemoveEmail(ctx, self))
		require.NoError(t, s.SetEmail(ctx, partner, "ann.ö@example.org"), "free again")

		for range perEmail.burst {
			require.NoError(t, s.AskForLinks(ctx, "unknown@example.org", here(1)))
		}
		assert.True(t, Limited(s.AskForLinks(ctx, "unknown@example.org", here(2))))
	})
}

func TestNormalEmail(t *testing.T) {
	for text, want := range map[string]string{"a@b.org": "a@b.org", " A.B+c@Example.Org\t": "a.b+c@example.org", "": "", "a": "", "a@": "", "@b": "", "A <a@b.org>": "", "<a@b.org>": "",
		"a@b.org, c@d.org": "", "a b@c.org": "", "\"a@b\"@c.org": "", "a@b.org\r\nBcc: c@d.org": "", "a@b@c": "", "a\x00@b.org": ""} {
		got, err := NormalEmail(text)
		assert.Equal(t, want, got, "%q", text)
		assert.Equal(t, want == "", err != nil, "%q: %v", text, err)
	}
}

// A link that is followed twice at once lets in one.
func TestLinkInARace(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s := p.open()
		require.NoError(t, s.SetEmail(t.Context(), self, "a@example.org"))
		links, err := s.LinksFor(t.Context(), "a@example.org")
		require.NoError(t, err)
		var wg sync.WaitGroup
		in := make(chan bool, 8)
		for i := range cap(in) {
			wg.Go(func() {
				_, err := s.FollowLink(t.Context(), links[0].Token, here(byte(i)))
				in <- err == nil
			})
		}
		wg.Wait()
		close(in)
		n := 0
		for ok := range in {
			if ok {
				n++
			}
		}
		assert.Equal(t, 1, n)
	})
}

func TestSessions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		_, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		_, err = s.IssueCode(ctx, partner)
		require.NoError(t, err)
		b := newBrowser(t, s)
		assert.Empty(t, b.participant(), "nobody")
		assert.Empty(t, b.jar, "who has not signed in gets no cookie")
		signIn := func(b *browser, who Participant) []*http.Cookie {
			return b.visit(func(_ http.ResponseWriter, r *http.Request) {
				assert.NoError(t, b.sessions.StartParticipant(r.Context(), who))
			})
		}
		c := signIn(b, self)[0]
		assert.Equal(t, "__Host-asem", c.Name)
		assert.True(t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Path == "/" && c.Domain == "" && c.MaxAge == 0, c.String())
		assert.Equal(t, self, b.participant())
		assert.Empty(t, b.staff().User, "a participant is no staff")
		first := b.jar["__Host-asem"]
		var kept int
		require.NoError(t, s.writer.QueryRowContext(ctx, `SELECT count(*) FROM session WHERE token = $1`, first).Scan(&kept))
		assert.Zero(t, kept, "only the hash of a token is kept")

		// The partner signs in on the same phone: the session is another, and nothing of the first is left.
		signIn(b, partner)
		assert.NotEqual(t, first, b.jar["__Host-asem"], "a sign-in renews the token")
		assert.Equal(t, partner, b.participant())
		b.jar["__Host-asem"] = first
		assert.Empty(t, b.participant(), "the token before is worth nothing")

		// Idle, and at most so long.
		signIn(b, self)
		p.clock.pass(idle - time.Minute)
		assert.Equal(t, self, b.participant())
		p.clock.pass(2 * time.Minute)
		assert.Empty(t, b.participant(), "idle for too long") // scs gives half an hour from the real time, which stands still here
		require.NoError(t, s.Sweep(ctx))

		// Signed out while another request is under way.
		p.clock.pass(-idle)
		signIn(b, self)
		stolen := b.jar["__Host-asem"]
		b.visit(func(_ http.ResponseWriter, r *http.Request) {
			tab := &browser{t, b.sessions, map[string]string{"__Host-asem": stolen}}
			tab.visit(func(_ http.ResponseWriter, r *http.Request) {
				assert.NoError(t, tab.sessions.EndParticipant(r.Context()))
			})
			assert.Empty(t, tab.jar)
			b.sessions.participant.Put(r.Context(), "draft", "x") // the slower request is written afterwards
		})
		b.jar["__Host-asem"] = stolen
		assert.Empty(t, b.participant(), "a session that was ended is not revived")

		// Signed out everywhere.
		signIn(b, self)
		require.NoError(t, s.EndSessions(ctx, self))
		assert.Empty(t, b.participant())

		// Forgotten between the credentials and the session.
		require.NoError(t, s.Forget(ctx, self))
		b.visit(func(_ http.ResponseWriter, r *http.Request) {
			assert.True(t, Refused(b.sessions.StartParticipant(r.Context(), self)))
		})
		assert.Empty(t, b.participant())
	})
}

// A session is not written for every request, and lasts as long as its deadline at most.
func TestSessionStore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s := sessionStore{p.open()}
		ctx, at := t.Context(), p.clock.now()
		b, err := codec{}.Encode(at.Add(time.Hour), map[string]any{"owner": self.owner()})
		require.NoError(t, err)
		expires := func() int64 {
			var e int64
			require.NoError(t, s.writer.QueryRowContext(ctx, `SELECT expires FROM session WHERE token = 'k'`).Scan(&e))
			return e
		}
		require.NoError(t, s.Commit("k", b, at.Add(30*time.Minute)))
		require.NoError(t, s.Commit("k", b, at.Add(30*time.Minute+touched/2)))
		assert.Equal(t, at.Add(30*time.Minute).UnixMicro(), expires())
		require.NoError(t, s.Commit("k", b, at.Add(31*time.Minute)))
		assert.Equal(t, at.Add(31*time.Minute).UnixMicro(), expires())
		got, found, err := s.Find("k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, b, got)
		deadline, values, err := codec{}.Decode(got)
		require.NoError(t, err)
		assert.True(t, deadline.Equal(at.Add(time.Hour)))
		assert.Equal(t, map[string]any{"owner": self.owner()}, values)
		require.NoError(t, s.Delete("k"))
		_, found, err = s.Find("k")
		require.NoError(t, err)
		assert.False(t, found)
		require.NoError(t, s.Delete("k"))
		require.Error(t, s.Commit("l", []byte("no JSON"), at))
	})
}

// Nothing of who is forgotten is left, in the file neither, and everything of the others.
func TestForget(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		mine, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		theirs, err := s.IssueCode(ctx, partner)
		require.NoError(t, err)
		require.NoError(t, s.SetEmail(ctx, self, "a@example.org"))
		links, err := s.LinksFor(ctx, "a@example.org")
		require.NoError(t, err)
		a, b := newBrowser(t, s), newBrowser(t, s)
		a.visit(func(_ http.ResponseWriter, r *http.Request) {
			assert.NoError(t, a.sessions.StartParticipant(r.Context(), self))
		})
		b.visit(func(_ http.ResponseWriter, r *http.Request) {
			assert.NoError(t, b.sessions.StartParticipant(r.Context(), partner))
		})
		left := func() int {
			if p.dir == "" {
				return 0
			}
			n := 0
			for _, name := range []string{"access.db", "access.db-wal"} {
				file, err := os.ReadFile(filepath.Join(p.dir, name))
				require.NoError(t, err)
				for _, secret := range [][]byte{s.Keyed("code", string(mine.Code)), s.Keyed("e-mail", "a@example.org"), tokenHash(links[0].Token), []byte(self.owner())} {
					n += bytes.Count(file, secret)
				}
			}
			return n
		}
		if p.dir != "" {
			require.NotZero(t, left(), "the test would notice nothing")
		}
		require.NoError(t, s.Forget(ctx, self))
		require.NoError(t, s.Forget(ctx, self, other), "again, and who never was")
		assert.Zero(t, left())
		_, err = s.SignInParticipant(ctx, mine.Code, mine.PIN, here(1))
		assert.True(t, Refused(err), "%v", err)
		_, err = s.FollowLink(ctx, links[0].Token, here(1))
		assert.True(t, Refused(err), "%v", err)
		links, err = s.LinksFor(ctx, "a@example.org")
		require.NoError(t, err)
		assert.Empty(t, links)
		assert.Empty(t, a.participant())
		assert.Equal(t, partner, b.participant(), "the partner stays")
		_, err = s.SignInParticipant(ctx, theirs.Code, theirs.PIN, here(1))
		require.NoError(t, err)
	})
}

// A copy of the database alone opens nothing, and a new master key changes nothing for anybody.
func TestKeys(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		e := enrol(t, p, s, "finn", domain.ActorCoder)
		c, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		require.NoError(t, p.keys.Renew())
		n, err := s.Rewrap(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		n, err = s.Rewrap(ctx)
		require.NoError(t, err)
		assert.Zero(t, n)
		require.NoError(t, p.keys.Forget())
		again := p.open()
		assert.Equal(t, s.Keyed("x", "y"), again.Keyed("x", "y"))
		assert.NotEqual(t, s.Keyed("x", "ab", "c"), s.Keyed("x", "a", "bc"))
		_, err = again.SignInParticipant(ctx, c.Code, c.PIN, here(1))
		require.NoError(t, err)
		_, err = again.SignInStaff(ctx, "finn", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		require.NoError(t, err)
	})
}
