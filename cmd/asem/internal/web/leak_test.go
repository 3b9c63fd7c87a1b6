package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// What differs from one request to the next whoever asks: ids that are made anew, and the time of signing in.
var made = []*regexp.Regexp{
	regexp.MustCompile(`name="command" value="[0-9a-f-]{36}"`),
}

// seen is everything that a person could tell apart in an answer.
func (a answer) seen() string {
	var b strings.Builder
	fmt.Fprintln(&b, a.status, a.at)
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		switch name {
		case "Date":
		case "Set-Cookie":
			fmt.Fprintln(&b, name, "...")
		case "Content-Length":
			fmt.Fprintln(&b, name, len(a.body))
		default:
			fmt.Fprintln(&b, name, a.header[name])
		}
	}
	body := a.body
	for _, m := range made {
		body = m.ReplaceAllString(body, "…")
	}
	b.WriteString(body)
	return b.String()
}

// TestNothingTellsOfThePartner lets one person go through everything that there is, each time in another world: in each the partner did something else.
// Whatever the person sees is the same to the byte.
func TestNothingTellsOfThePartner(t *testing.T) {
	late := on(2, 9, 0)
	answers := func(instrument string, value int) (list []domain.Answer) {
		in, ok := domain.Key(instrument, "1")
		require.True(t, ok)
		for _, it := range in.Items {
			list = append(list, domain.Answer{Item: it.ID, Value: &value})
		}
		return list
	}
	diary := func(at time.Time, value int) domain.Command {
		return domain.SubmitDiary{Study: "S", Couple: "C1", Role: "B", Burst: "evenings", Day: enrolled.AddDays(1), FilledAt: at,
			Entries: []domain.DiaryEntry{{Instrument: "asem-daily", Version: "1", Answers: answers("asem-daily", value)}}}
	}
	worlds := map[string]func(s *study){
		"does nothing":       func(*study) {},
		"agrees to all":      func(s *study) { s.agreed("B") },
		"answered":           func(s *study) { s.agreed("B"); s.do(diary(on(1, 19, 0), 1)) },
		"answered otherwise": func(s *study) { s.agreed("B"); s.do(diary(on(1, 19, 0), 7)) },
		"answered late":      func(s *study) { s.agreed("B"); s.do(diary(late, 3)) },
		"missed it": func(s *study) {
			s.agreed("B")
			s.do(domain.CloseDiaryDay{Study: "S", Couple: "C1", Role: "B", Burst: "evenings", Day: enrolled.AddDays(1), At: on(2, 12, 0)})
		},
		"answered a wave": func(s *study) {
			s.agreed("B")
			s.do(domain.SubmitQuestionnaire{Study: "S", Couple: "C1", Role: "B", Wave: 1, Instrument: domain.InstrumentRef{Code: "asem-satisfaction", Version: "1"}, Answers: answers("asem-satisfaction", 2), FilledAt: on(1, 10, 0)})
		},
		"withdrew a consent": func(s *study) {
			s.agreed("B")
			s.do(domain.WithdrawConsent{Study: "S", Couple: "C1", Role: "B", Scope: domain.ScopeDiary})
		},
		"withdrew": func(s *study) {
			s.agreed("B")
			s.do(domain.WithdrawParticipant{Study: "S", Couple: "C1", Role: "B", On: enrolled.AddDays(1)})
		},
		"told of a separation": func(s *study) {
			s.agreed("B")
			s.do(domain.ReportSeparation{Study: "S", Couple: "C1", Role: "B", On: enrolled.AddDays(1)})
		},
		"moved, with another language and address": func(s *study) {
			s.agreed("B")
			s.do(domain.MoveParticipant{Study: "S", Couple: "C1", Role: "B", Zone: "Asia/Tokyo", At: on(1, 9, 0)}, domain.ChooseLanguage{Study: "S", Couple: "C1", Role: "B", Language: "he"}, domain.ChangeContact{Study: "S", Couple: "C1", Role: "B", Email: "b@example.org"})
		},
		"was erased": func(s *study) {
			s.agreed("B")
			s.do(diary(on(1, 19, 0), 1), domain.EraseParticipant{Study: "S", Couple: "C1", Role: "B"})
			require.NoError(t, s.access.Forget(t.Context(), s.person("B")))
		},
	}
	var want []string
	for _, name := range slices.Sorted(maps.Keys(worlds)) {
		s := newStudy(t)
		s.clock.set(on(1, 19, 30))
		worlds[name](s)
		got := goThroughEverything(t, s)
		if want == nil {
			want = got
			continue
		}
		require.Len(t, got, len(want), name)
		for i := range want {
			assert.Equal(t, want[i], got[i], "if the partner %s", name)
			if t.Failed() {
				return
			}
		}
	}
	assert.Greater(t, len(want), 40)
}

// goThroughEverything is what role A sees on the way from the first sign-in to withdrawal. Addresses of forms differ by the secret of a server; they are numbered.
func goThroughEverything(t *testing.T, s *study) []string {
	t.Helper()
	c := s.signedIn("A")
	var all []string
	ids := map[string]string{}
	opaque := regexp.MustCompile(`\b[a-z2-7]{24}\b`)
	keep := func(a answer) answer {
		seen := opaque.ReplaceAllStringFunc(a.seen(), func(id string) string {
			if ids[id] == "" {
				ids[id] = fmt.Sprintf("id-%d", len(ids))
			}
			return ids[id]
		})
		all = append(all, strings.ReplaceAll(seen, s.base, ""))
		return a
	}
	pages := func() {
		for _, path := range []string{"/me", "/me/welcome", "/me/consent", "/me/settings", "/me/own", "/me/own/journal.json", "/me/own/journal.csv", "/me/choices", "/me/help", "/me/leave", "/me/out", "/me/kept", "/me/none", "/in"} {
			keep(c.get(path))
		}
	}
	pages()
	keep(c.post("/me/welcome", url.Values{"right": {"yes"}}))
	for _, scope := range domain.Scopes() {
		keep(c.post("/me/consent", url.Values{"scope": {string(scope)}, "version": {"2026-1"}, "agree": {"yes"}}))
	}
	keep(c.post("/me/settings", url.Values{"language": {"en"}, "zone": {"Europe/Berlin"}, "email": {"a@example.org"}}))
	s.clock.set(on(1, 20, 0))
	pages()
	for _, id := range c.get("/me").forms() {
		form := keep(c.get("/me/f/" + id))
		keep(c.post("/me/f/"+id, url.Values{"command": {uuid.NewString()}}))
		keep(c.post("/me/f/"+id, url.Values{"command": {"nonsense"}}))
		keep(c.post("/me/f/"+id, form.filled(nil)))
		keep(c.post("/me/f/"+id, form.filled(nil)))
		keep(c.post("/me/f/"+id, form.filled(url.Values{"q.asem-daily.d_mood": {"5"}, "q.asem-satisfaction.sat1": {"5"}})))
		keep(c.get("/me/f/" + id))
	}
	keep(c.post("/me/f/aaaaaaaaaaaaaaaaaaaaaaaa", url.Values{"command": {uuid.NewString()}}))
	pages()
	keep(c.post("/me/consent", url.Values{"scope": {"diary"}, "agree": {"no"}}))
	pages()
	keep(c.post("/me/apart", url.Values{"day": {"2026-03-03"}}))
	keep(c.post("/me/leave", url.Values{"sure": {"yes"}}))
	pages()
	keep(c.post("/me/exit", nil))
	keep(c.get("/me"))
	keep(c.post("/me/consent", url.Values{"scope": {"diary"}, "agree": {"no"}}))
	return all
}

// A form of the partner looks like one that is not there.
func TestRefusalsAreTheSameWhoeverAsks(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	a, b := s.signedIn("A"), s.signedIn("B")
	for _, id := range b.get("/me").forms() {
		theirs, nobodys := a.get("/me/f/"+id), a.get("/me/f/aaaaaaaaaaaaaaaaaaaaaaaa")
		assert.Equal(t, http.StatusNotFound, theirs.status)
		assert.Equal(t, nobodys.body, theirs.body)
		form := url.Values{"command": {uuid.NewString()}}
		assert.Equal(t, a.post("/me/f/aaaaaaaaaaaaaaaaaaaaaaaa", form).body, a.post("/me/f/"+id, form).body)
	}
}
