package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

// kept is what a phone keeps.
func (c *client) kept() (k keptForms) {
	c.s.t.Helper()
	a := c.get("/me/kept")
	require.Equal(c.s.t, http.StatusOK, a.status)
	require.Equal(c.s.t, "no-store", a.header.Get("Cache-Control"))
	require.NoError(c.s.t, json.Unmarshal([]byte(a.body), &k))
	return k
}

// filled is what a form that was kept sends.
func (k keptForm) filled(opened, after time.Duration) url.Values {
	ms := func(d time.Duration) []string { return []string{strconv.FormatInt(d.Milliseconds(), 10)} }
	return answer{body: k.Page}.filled(url.Values{"command": {uuid.NewString()}, "opened": ms(opened), "after": ms(after)})
}

// of returns the events of a kind.
func of[E domain.Event](s *study) (list []E) {
	s.t.Helper()
	all, err := s.log.Read(s.t.Context(), 0, 100_000)
	require.NoError(s.t, err)
	for _, at := range all {
		e, err := events.Decode(at)
		require.NoError(s.t, err)
		if e, ok := e.(E); ok {
			list = append(list, e)
		}
	}
	return list
}

func TestWhatAPhoneKeeps(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	c := s.signedIn("A")
	before := len(s.events())
	kept := c.kept()
	assert.Len(t, s.events(), before, "to keep a form starts none")

	// The first part of the wave, but not what needs a private moment nor what comes after it; the diary of the day, and that of the next.
	require.Len(t, kept.Forms, 3)
	wave, today, tomorrow := kept.Forms[0], kept.Forms[1], kept.Forms[2]
	assert.Equal(t, []string{"Part 1 of 3", "Tuesday 3 March", "Wednesday 4 March"}, []string{wave.Lead, today.Lead, tomorrow.Lead})
	assert.Equal(t, []string{"Open until Wednesday 4 March, 03:00", "Still possible until Wednesday 4 March, 11:00"}, []string{today.Until, today.Late})
	hours := func(n int64) int64 { return n * time.Hour.Milliseconds() }
	assert.Equal(t, []int64{hours(-2), hours(7), hours(15), hours(22)}, []int64{today.Opens, today.Closes, today.Ends, tomorrow.Opens})
	for _, k := range kept.Forms {
		assert.Contains(t, k.Page, `data-owner="`+kept.Owner+`"`)
		assert.NotContains(t, k.Page, " checked")
		assert.Contains(t, k.Page, `name="command" value=""`)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/me/kept", nil)
	require.NoError(t, err)
	r.Header.Set("Accept-Encoding", "gzip") // so that what comes is not unpacked
	packed := c.send(r)
	assert.Equal(t, "gzip", packed.header.Get("Content-Encoding"))
	t.Logf("%d forms are %.1f KB", len(kept.Forms), float64(len(packed.body))/1024)
	assert.Less(t, len(packed.body), 6<<10)

	// What was sent is kept no more, and a wave goes on behind what needs a private moment once that is done.
	c.post("/me/f/"+wave.ID, wave.filled(0, 0))
	c.post("/me/f/"+today.ID, today.filled(0, 0))
	tension := c.get("/me").forms()[0]
	c.post("/me/f/"+tension, c.get("/me/f/"+tension+"?now=yes").filled(url.Values{"q.asem-tension.t_any": {"0"}}))
	kept = c.kept()
	require.Len(t, kept.Forms, 2)
	assert.Equal(t, "Part 3 of 3", kept.Forms[0].Lead)

	// Nobody else's.
	assert.NotEqual(t, kept.Owner, s.signedIn("B").kept().Owner)
	nobody := s.visitor()
	nobody.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	assert.Equal(t, http.StatusSeeOther, nobody.get("/me/kept").status)

	// Nor once the person agrees to nothing, or has left.
	c.post("/me/consent", url.Values{"scope": {"diary"}, "agree": {"no"}})
	assert.Len(t, c.kept().Forms, 1)
	c.post("/me/leave", url.Values{"sure": {"yes"}})
	assert.Empty(t, c.kept().Forms)
}

// TestTimesOfAFormThatWasKept: the server believes what the phone measured, between the time at which it made the form and that at which the form came back.
func TestTimesOfAFormThatWasKept(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name          string
		kept, sent    time.Time
		opened, after time.Duration
		started       time.Time
		filled        time.Time
		timing        domain.Timing // empty: it is refused
	}{
		{"opened in the evening, sent in the morning", on(1, 18, 5), on(2, 9, 0), 2 * time.Hour, 2*time.Hour + 3*time.Minute, on(1, 20, 5), on(1, 20, 8), domain.TimingOnTime},
		{"opened in the night", on(1, 18, 5), on(3, 9, 0), 10 * time.Hour, 10*time.Hour + time.Minute, on(2, 4, 5), on(2, 4, 6), domain.TimingLate},
		{"kept before it opened", on(0, 20, 0), on(2, 9, 0), day, day + time.Minute, on(1, 20, 0), on(1, 20, 1), domain.TimingOnTime},
		{"said to be filled in before it opened", on(0, 20, 0), on(1, 20, 0), time.Hour, 2 * time.Hour, time.Time{}, time.Time{}, ""},
		{"said to be opened before it was open", on(0, 20, 0), on(1, 20, 0), time.Hour, 23 * time.Hour, on(1, 18, 0), on(1, 19, 0), domain.TimingOnTime},
		{"a clock that was set forward: not after it came", on(1, 18, 5), on(1, 20, 0), 50 * time.Hour, 51 * time.Hour, on(1, 20, 0), on(1, 20, 0), domain.TimingOnTime},
		{"a clock that was set back: not before it was kept", on(1, 18, 5), on(1, 20, 0), 0, 0, on(1, 18, 5), on(1, 18, 5), domain.TimingOnTime},
		{"filled in before it was opened", on(1, 18, 5), on(1, 20, 0), time.Hour, time.Minute, on(1, 18, 6), on(1, 18, 6), domain.TimingOnTime},
		{"filled in when the day was over", on(1, 18, 5), on(3, 9, 0), 20 * time.Hour, 20*time.Hour + time.Minute, time.Time{}, time.Time{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStudy(t)
			s.agreed("A", "B")
			s.clock.set(c.kept)
			a := s.signedIn("A")
			for _, k := range a.kept().Forms {
				if k.Lead != "Tuesday 3 March" {
					continue
				}
				s.clock.set(c.sent)
				form := k.filled(c.opened, c.after)
				got := a.post("/me/f/"+k.ID, form)
				if c.timing == "" {
					assert.Equal(t, http.StatusConflict, got.status)
					assert.Empty(t, s.entries("A"))
					assert.Empty(t, of[domain.FormStarted](s))
					return
				}
				a.post("/me/f/"+k.ID, form) // twice, as after an answer that was lost
			}
			sent, started := of[domain.DiarySubmitted](s), of[domain.FormStarted](s)
			require.Len(t, sent, 1)
			require.Len(t, started, 1, "it was started when it was opened")
			assert.Equal(t, []time.Time{c.started.UTC(), c.filled.UTC(), c.started.UTC()}, []time.Time{sent[0].StartedAt, sent[0].FilledAt, started[0].At})
			assert.Equal(t, c.timing, sent[0].Timing)
		})
	}
}

// A form that comes back with something missing is shown again, and keeps its times.
func TestTimesOfAFormThatIsShownAgain(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 18, 5))
	a := s.signedIn("A")
	diary := a.kept().Forms[1]
	s.clock.set(on(1, 21, 0))
	form := diary.filled(2*time.Hour, 2*time.Hour+3*time.Minute)
	form.Del("q.asem-daily.d_mood")
	again := a.post("/me/f/"+diary.ID, form)
	require.Equal(t, http.StatusUnprocessableEntity, again.status)
	assert.Contains(t, again.body, `data-passed="`+strconv.Itoa(55*60*1000)+`"`)

	forged := diary.filled(0, 0)
	forged.Del("q.asem-daily.d_mood")
	forged.Set("issued", "0.x")
	made := a.post("/me/f/"+diary.ID, forged).filled(nil).Get("issued")
	assert.True(t, strings.HasPrefix(made, strconv.FormatInt(on(1, 21, 0).UnixMilli(), 10)+"."), "what nobody made is made now")

	s.clock.set(on(1, 21, 1))
	a.post("/me/f/"+diary.ID, again.filled(nil))
	sent := of[domain.DiarySubmitted](s)
	require.Len(t, sent, 1)
	assert.Equal(t, []time.Time{on(1, 20, 5).UTC(), on(1, 21, 1).UTC()}, []time.Time{sent[0].StartedAt, sent[0].FilledAt})
}
