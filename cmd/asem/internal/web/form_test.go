package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

// formOf is a visit of role A to the last part of the first wave, which has every kind of question and a note.
func formOf(t testing.TB, code string) (*visit, part, []question) {
	t.Helper()
	study, couple := &domain.Study{}, &domain.Couple{}
	study.Apply(domain.StudyCreated{Code: "S", Title: "Study", Zone: "Europe/Berlin"})
	for _, key := range []string{"asem-daily", "asem-satisfaction", "asem-tension"} {
		in, ok := domain.Key(key, "1")
		require.True(t, ok)
		study.Apply(domain.InstrumentRegistered{Instrument: in})
	}
	study.Apply(domain.InstrumentRegistered{Instrument: everyAnchor()})
	p := protocol()
	p.Showings[2].Shuffle = true
	study.Apply(domain.ProtocolPublished{Protocol: p})
	couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "C1", EnrolledOn: enrolled})
	couple.Apply(domain.ParticipantJoined{Role: "A", Code: code, Zone: "Europe/Berlin"})
	couple.Apply(domain.ConsentGiven{Role: "A", Scope: domain.ScopeQuestionnaires, Version: "2026-1", At: on(0, 9, 0)})
	who, _ := couple.Participant("A")
	en, _ := language.For("en")
	v := &visit{Language: en, me: access.Participant{Study: "S", Couple: "C1", Role: "A"}, past: domain.Past{Study: study, Couple: couple}, who: who, zone: berlin, now: on(0, 12, 0)}
	for _, o := range v.past.Agenda("A") {
		if o.Wave == 1 {
			last := parts(v.past, o)[2]
			questions, ok := v.questions(last)
			require.True(t, ok)
			return v, last, questions
		}
	}
	t.Fatal("there is no wave")
	return nil, part{}, nil
}

func TestOrderIsOfThePersonAndTheOccasion(t *testing.T) {
	order := func(code string) (list []string) {
		_, _, questions := formOf(t, code)
		for _, q := range questions {
			list = append(list, q.Name)
		}
		return list
	}
	assert.Equal(t, order("C1a"), order("C1a"), "always the same one")
	orders := map[string]bool{}
	for _, code := range []string{"C1a", "C1b", "C2a", "C2b", "C3a"} {
		list := order(code)
		assert.Equal(t, "n.words", list[len(list)-1], "notes come last")
		orders[strings.Join(list, " ")] = true
	}
	assert.Greater(t, len(orders), 3)
	in, _ := domain.Key("asem-tension", "1")
	for _, code := range []string{"a", "b", "c", "d"} {
		items := shown(in, domain.Showing{Shuffle: true, Gate: &domain.Gate{Item: "t_any", Value: 1}}, code, domain.Occasion{Wave: 1})
		assert.Equal(t, "t_any", items[0].ID)
		assert.Len(t, items, len(in.Items))
	}
	// Each place is about as likely for each item.
	first := map[string]int{}
	for i := range 700 {
		first[shown(everyAnchor(), domain.Showing{Shuffle: true}, "C"+string(rune('a'+i%26))+uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8)}).String(), domain.Occasion{Wave: 1})[0].ID]++
	}
	for _, it := range everyAnchor().Items {
		assert.InDelta(t, 100, first[it.ID], 45, it.ID) // about 4.8 standard deviations of a binomial with 700 and 1/7
	}
}

// checked fails unless what was read is what the domain takes, or every fault names a field of the form.
func checked(t interface {
	Errorf(string, ...any)
	FailNow()
}, v *visit, p part, questions []question, got reading,
) {
	names := make([]string, len(questions))
	for i, q := range questions {
		names[i] = q.Name
	}
	for _, f := range got.faults {
		assert.Contains(t, names, f.Name)
		assert.NotEmpty(t, f.Text)
	}
	require.Len(t, got.entries, len(p.Refs))
	for i, ref := range p.Refs {
		in := v.past.Study.Instruments[ref]
		require.Len(t, got.entries[i].Answers, len(in.Items))
		require.ElementsMatch(t, itemIDs(in), got.entries[i].ShownOrder)
		if len(got.faults) == 0 {
			require.NoError(t, in.CheckAnswers(got.entries[i].Answers))
			_, err := domain.Decide(v.past, domain.SubmitQuestionnaire{Study: "S", Couple: "C1", Role: "A", Wave: 1, Instrument: ref, Answers: got.entries[i].Answers, ShownOrder: got.entries[i].ShownOrder, FilledAt: v.now})
			require.NoError(t, err)
		}
	}
}

func itemIDs(in domain.Instrument) (ids []string) {
	for _, it := range in.Items {
		ids = append(ids, it.ID)
	}
	return ids
}

// FuzzPostedForm: whatever is posted, it is read without harm; what is taken the domain takes as well.
func FuzzPostedForm(f *testing.F) {
	f.Add("q.kinds.k_yes=1&q.kinds.k_five=skip&q.kinds.k_list=2&q.kinds.k_minus=-3&q.kinds.k_eleven=10&q.kinds.k_minutes=90&q.kinds.k_harm=0&n.words=hello")
	f.Add("q.kinds.k_yes=1&q.kinds.k_yes=0&q.kinds.k_minutes=%2B1e3&n.words=%00%ff")
	f.Add("q.kinds.k_minutes=999999999999999999999999&q.kinds.k_minus=%E2%88%923")
	f.Fuzz(func(t *testing.T, body string) {
		posted, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		v, p, questions := formOf(t, "C1a")
		checked(t, v, p, questions, v.read(p, posted, questions))
	})
}

// TestReadingWhatWasShown: answers that the form offers come back as they were given.
func TestReadingWhatWasShown(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		v, p, questions := formOf(t, rapid.StringMatching(`C[0-9]{1,3}[ab]`).Draw(r, "code"))
		posted, want := url.Values{}, map[string]int{}
		for _, q := range questions {
			switch {
			case q.Kind == "text":
				posted.Set(q.Name, rapid.StringMatching(`[a-z א-ת\n]{0,50}`).Draw(r, q.Name))
			case rapid.Bool().Draw(r, "skip "+q.Name):
				posted.Set(q.Name, skipValue)
			default:
				n := rapid.IntRange(q.Min, q.Max).Draw(r, q.Name)
				want[q.Name] = n
				posted.Set(q.Name, itoa(n))
			}
		}
		got := v.read(p, posted, questions)
		if len(got.faults) > 0 {
			r.Fatalf("faults: %v", got.faults)
		}
		checked(r, v, p, questions, got)
		for _, a := range got.entries[0].Answers {
			n, given := want[fieldName(p.Refs[0], a.Item)]
			if given != (a.Value != nil) || given && *a.Value != n || !given && a.Missing != domain.MissingSkipped {
				r.Fatalf("%s: %v, and %v was given", a.Item, a, n)
			}
		}
		order := slices.Clone(got.entries[0].ShownOrder)
		for i, q := range questions[:len(order)] {
			if q.Name != fieldName(p.Refs[0], order[i]) {
				r.Fatalf("shown as %s and stored as %s", q.Name, order[i])
			}
		}
	})
}

func itoa(n int) string { return strings.TrimPrefix(strings.ReplaceAll(signed(n), "\u2212", "-"), "+") }

// BenchmarkPages renders the two pages that are asked for most, without the log below them.
func BenchmarkPages(b *testing.B) {
	v, p, _ := formOf(b, "C1a")
	s := newServer(Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	v.j = s.journal
	who := v.who
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				v.w, v.r, v.who = w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/me", nil), nil
				f()
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
				b.ReportMetric(float64(w.Body.Len()), "bytes/page")
			}
		})
	}
	run("form", func() {
		v.who = who
		questions, _ := v.questions(p)
		v.who = nil // without a secret there is no owner
		v.render(http.StatusOK, "form", "", form{Title: "Questionnaire", Questions: questions})
	})
	run("today", func() {
		v.who = who
		page := todayPage{Day: v.Day(v.now)}
		for _, o := range v.past.Agenda("A") {
			if o.Open(v.now) {
				page.Tasks = append(page.Tasks, task{Title: "Questionnaire", ID: "x", Until: v.Day(o.Window.Closes.In(time.UTC)), Questions: 7, Minutes: 1})
			}
		}
		v.who = nil
		v.render(http.StatusOK, "today", "today", page)
	})
}
