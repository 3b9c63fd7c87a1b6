package studyfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./cmd/asem/internal/studyfile -update and review the new file")
	assert.Equal(t, string(want), string(got))
}

var longText = regexp.MustCompile(`: "([^"\\]{24})(?:[^"\\]|\\.){12,}"`)

// What a ready plan means, as the protocol that couples get and as the summary that a lab reads. Long texts stand in the plans.
func TestReadyPlans(t *testing.T) {
	require.Len(t, Templates(), 5)
	for _, tmpl := range Templates() {
		t.Run(tmpl.Name, func(t *testing.T) {
			p, err := Read(tmpl.Name+".yaml", tmpl.Text, Context{})
			require.NoError(t, err)
			text, err := json.MarshalIndent(p.Protocol, "", " ")
			require.NoError(t, err)
			golden(t, tmpl.Name+".json", append(longText.ReplaceAll(text, []byte(`: "$1..."`)), '\n'))
			var summary bytes.Buffer
			require.NoError(t, p.Summary(&summary))
			golden(t, tmpl.Name+".txt", summary.Bytes())
			study := created(t, p) // the domain takes it
			for _, w := range p.Warnings {
				assert.Contains(t, w, "placeholder", "nothing but placeholders is left to do")
			}
			assert.NotEmpty(t, p.Warnings)

			q := study.Protocol
			assert.Equal(t, []string{"en", "de", "he"}, q.Languages)
			for _, in := range p.Instruments {
				assert.True(t, strings.HasPrefix(in.Code, "asem-"), "%s is not ours", in.Ref())
				assert.Zero(t, unworded(in, "en")+unworded(in, "de")+unworded(in, "he"), in.Ref())
			}
			for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary, domain.ScopeVideo, domain.ScopeTextReading} {
				_, ok := q.ConsentForm(s)
				assert.True(t, ok, s)
			}
			assert.NotEmpty(t, q.Reminders)
			assert.NotEmpty(t, q.Notes)
			assert.NotEmpty(t, q.Tasks)
			assert.NotEmpty(t, q.Schemes)
			assert.NotEmpty(t, q.Analyses)
			assert.NotNil(t, q.Compensation)
			assert.Len(t, q.Showing("asem-wellbeing").Risk, 1)
			for _, n := range q.Notes {
				languagesFit(t, n.Text)
			}
			for _, c := range q.Consents {
				languagesFit(t, c.Text)
			}
			for _, task := range q.Tasks {
				languagesFit(t, task.Text)
			}
			for _, s := range q.Sites {
				require.NotEmpty(t, s.Help)
				for _, h := range s.Help {
					languagesFit(t, h.Label)
					assert.Contains(t, h.Number, placeholder, "nobody may think that this number is real")
				}
			}
		})
	}
}

func languagesFit(t *testing.T, text map[string]string) {
	t.Helper()
	hebrew := func(r rune) bool { return unicode.Is(unicode.Hebrew, r) }
	latin := func(r rune) bool { return unicode.Is(unicode.Latin, r) }
	require.Len(t, text, 3)
	assert.False(t, strings.ContainsFunc(text["en"]+text["de"], hebrew))
	assert.True(t, strings.ContainsFunc(text["he"], hebrew))
	assert.False(t, strings.ContainsFunc(strings.ReplaceAll(text["he"], placeholder, ""), latin), text["he"])
	assert.NotEqual(t, text["en"], text["de"])
}

// The ready plans reach what each is for.
func TestReadyPlansAreWhatTheySay(t *testing.T) {
	plan := func(name string) domain.Protocol {
		tmpl, ok := TemplateNamed(name)
		require.True(t, ok)
		p, err := Read(name, tmpl.Text, Context{})
		require.NoError(t, err)
		return p.Protocol
	}
	months := func(p domain.Protocol) (list []float64) {
		for _, w := range p.Waves {
			list = append(list, w.Month)
		}
		return list
	}
	assert.Equal(t, []float64{0, 4, 8}, months(plan("eight-months")))
	assert.Equal(t, []float64{0, 12}, months(plan("twelve-months")))
	assert.Equal(t, []float64{0, 0.25, 1}, months(plan("one-month-activities")))
	assert.Equal(t, &domain.Randomisation{Unit: domain.RandomiseCouples, BlockSize: 4}, plan("one-month-activities").Randomise)
	assert.Equal(t, []float64{0, 1, 2, 3, 4, 5, 6}, months(plan("diary-and-months")))
	assert.Len(t, plan("diary-and-months").Diaries, 3)
	for _, p := range []domain.Protocol{plan("eight-months"), plan("diary-and-months"), plan("quick")} {
		assert.Equal(t, &domain.Gate{Item: "t_any", Value: 1}, p.Showing("asem-tension").Gate)
	}
	_, ok := TemplateNamed("slow")
	assert.False(t, ok)
}

// The wave and the first day of the quick plan can be answered at once, whatever the hour of the enrolment, by a couple that lives in the zone of
// the lab or elsewhere, if the day of enrolment is that of the participants.
func TestQuickPlanIsOpenAtOnce(t *testing.T) {
	tmpl, _ := TemplateNamed("quick")
	p, err := Read("quick.yaml", tmpl.Text, Context{})
	require.NoError(t, err)
	study := created(t, p)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"Europe/Berlin", "Asia/Jerusalem", "America/Los_Angeles", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"}).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 2*365*24*60).Draw(t, "minute")) * time.Minute)
		today := now.In(zone)
		couple := &domain.Couple{}
		couple.Apply(domain.CoupleEnrolled{Study: study.Code, Code: "1", EnrolledOn: domain.NewDate(today.Year(), today.Month(), today.Day())})
		for _, r := range []domain.Role{"A", "B"} {
			couple.Apply(domain.ParticipantJoined{Role: r, Code: string(r), Zone: name})
			for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary} {
				couple.Apply(domain.ConsentGiven{Role: r, Scope: s, Version: "1", At: now})
			}
		}
		var open []domain.Occasion
		for _, o := range (domain.Past{Study: study, Couple: couple}).Agenda("A") {
			if o.Open(now) {
				open = append(open, o.Occasion)
			}
		}
		require.Len(t, open, 2, "%s in %s", now, name)
		require.Equal(t, 1, open[0].Wave)
		require.Equal(t, "days", open[1].Burst)
	})
}

// Every key that a plan can have is explained, in one ready plan at least.
func TestReadyPlansUseEveryPart(t *testing.T) {
	var all strings.Builder
	for _, tmpl := range Templates() {
		all.Write(tmpl.Text)
		assert.NotContains(t, string(tmpl.Text), "\t")
		for i, line := range strings.Split(string(tmpl.Text), "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 170, "%s:%d", tmpl.Name, i+1)
		}
	}
	for _, key := range []string{"study", "languages", "roles", "exchangeable", "afterSeparation", "timeUnitMonths", "sites", "help", "consents", "required", "instruments", "waves", "at", "month", "grace",
		"diaries", "starts", "open", "repeat", "showings", "maySkip", "shuffle", "sensitive", "gate", "risk", "notes", "limit", "reminders", "after", "jitter", "tasks", "minutes", "unrecorded", "clipSeconds", "arms",
		"randomise", "schemes", "judgesPerClip", "changeEvents", "compensation", "diaryDay", "analyses", "predictors", "missing"} {
		assert.Contains(t, all.String(), key+":", key)
	}
	assert.True(t, slices.IsSortedFunc(Templates(), func(a, b Template) int { return strings.Compare(a.Name, b.Name) }))
}
