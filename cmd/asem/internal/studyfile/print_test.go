package studyfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// What is printed of a published plan reads as the same plan, and printing that gives the same text.
func TestPrintReadsAsTheSame(t *testing.T) {
	texts := map[string]string{"small": small}
	for _, tmpl := range Templates() {
		texts[tmpl.Name] = string(tmpl.Text)
	}
	for name, text := range texts {
		p := read(t, text)
		study := created(t, p)
		printed, err := Print(study)
		require.NoError(t, err, name)
		back := read(t, string(printed))
		assert.Equal(t, p.Protocol, back.Protocol, name)
		assert.Equal(t, p.Instruments, back.Instruments, name)
		again, err := Print(created(t, back))
		require.NoError(t, err)
		assert.Equal(t, string(printed), string(again), name)
		assert.Empty(t, Changes(study, back), name)
	}
}

// anyText is what people may write into a text, and what YAML could take for something else.
func anyText(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"yes", "null", "~", "1.50", "007", "a: b", "- a", "#a", "a #b", "'", `"`, "{", "[x]", "&a", "*a", "!x", "%a", "@a", "|", ">", "a\nb", "a\n\n  b\n", "\na", "a\n", " a ", "אבג: ד", "true", ".inf", "0x1F", "2026-01-01", "12:30", "é", "日本"}),
		rapid.StringMatching(`[a-zA-Zäöü"':,#\[\]{}&*!|>%@\n -]{1,40}`),
	).Filter(func(s string) bool { return strings.TrimSpace(s) != "" }).Draw(t, label)
}

// A plan may hold any text and any numbers that the domain takes.
func TestAnyPlanPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := domain.Protocol{Version: 1, TimeUnitMonths: float64(rapid.IntRange(1, 24).Draw(t, "unit")) / 2, AfterSeparation: domain.StopAfterSeparation, Languages: []string{"en"},
			Roles: []domain.RoleLabel{{Role: "B", Label: "one"}, {Role: "A", Label: "two"}}}
		text := func(label string) map[string]string { return map[string]string{"en": anyText(t, label)} }
		in := domain.Instrument{Code: "own", Version: "1", Title: anyText(t, "title"), Note: anyText(t, "note"), Items: []domain.Item{
			{ID: "007", Tag: anyText(t, "tag"), Min: -3, Max: 3, Text: text("item"), Anchors: map[string]map[string]string{"en": {"-3": anyText(t, "anchor")}}}},
			Scales: []domain.Scale{{Code: "s", Items: []domain.KeyedItem{{ID: "007", Reverse: true}}, Method: domain.Sum, Missing: domain.MissingRule{Rule: domain.RequireComplete}}}}
		month := 0.0
		for i := range rapid.IntRange(1, 4).Draw(t, "waves") {
			month += float64(rapid.IntRange(1, 40).Draw(t, "month")) / 8
			w := domain.Wave{Index: i + 1, Label: anyText(t, "label"), Month: month, OpensDaysEarly: rapid.IntRange(0, 9).Draw(t, "early"), ClosesDaysLate: rapid.IntRange(0, 9).Draw(t, "late"),
				GraceDays: rapid.IntRange(0, 9).Draw(t, "grace"), Instruments: []domain.InstrumentRef{in.Ref()}}
			w.Origin = drawOrigin(t)
			p.Waves = append(p.Waves, w)
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "diaries") {
			d := domain.DiaryBurst{Code: fmt.Sprint("d", i), Origin: drawOrigin(t), StartMonth: float64(rapid.IntRange(0, 9).Draw(t, "start")), StartDay: rapid.IntRange(0, 20).Draw(t, "day"), Days: rapid.IntRange(1, 30).Draw(t, "days"),
				OpensHour: rapid.IntRange(0, 23).Draw(t, "opens"), Instruments: []domain.InstrumentRef{in.Ref()}}
			d.ClosesHour = rapid.IntRange(d.OpensHour+1, d.OpensHour+24).Draw(t, "closes")
			d.GraceHours = rapid.IntRange(0, d.OpensHour+24-d.ClosesHour).Draw(t, "late")
			p.Diaries = append(p.Diaries, d)
			p.Reminders = append(p.Reminders, domain.Reminder{Diary: d.Code, AfterHours: rapid.IntRange(0, 9).Draw(t, "after"), Jitter: rapid.IntRange(0, 240).Draw(t, "jitter")})
			p.Notes = append(p.Notes, domain.NotePrompt{Code: fmt.Sprint("n", i), Diary: d.Code, Text: text("note"), Limit: rapid.IntRange(0, 20000).Draw(t, "limit")})
		}
		p.Sites = []domain.Site{{Code: "x", Title: anyText(t, "site"), Help: []domain.HelpLine{{Label: text("help"), Number: anyText(t, "number")}}}}
		p.Consents = []domain.ConsentForm{{Scope: domain.ScopeQuestionnaires, Version: anyText(t, "version"), Text: text("consent")}, {Scope: domain.ScopeDiary, Version: "1", Text: text("consent")}}
		p.Showings = []domain.Showing{{Instrument: "own", MaySkip: true, Gate: &domain.Gate{Item: "007", Value: -1}, Roles: []domain.Role{"A"}}}
		p.Compensation = &domain.Compensation{Currency: "EUR", Wave: rapid.IntRange(0, 9999).Draw(t, "amount")}
		lo := float64(rapid.IntRange(-99, 0).Draw(t, "lo")) / 10
		p.Constructs = []domain.Construct{{Code: "k", Title: anyText(t, "construct"), Min: &lo}}
		p.Analyses = []domain.ChangeModel{{Name: "a", Frame: "waves", Kind: "mixed", Time: "time", Outcome: "k", Fixed: "1 + role", Level: 0.9, Occasions: []float64{p.Waves[0].Month / p.TimeUnitMonths}, ResidualVariance: "role", CrossPartner: true}}
		study := &domain.Study{}
		study.Apply(domain.StudyCreated{Code: "S", Title: anyText(t, "title"), Zone: "Asia/Tokyo"})
		study.Apply(domain.InstrumentRegistered{Instrument: in})
		decided, err := domain.Decide(domain.Past{Study: study}, domain.PublishProtocol{Study: "S", Protocol: p})
		require.NoError(t, err)
		study.Apply(decided[0])
		printed, err := Print(study)
		require.NoError(t, err)
		back, err := Read("s.yaml", printed, Context{})
		require.NoError(t, err, string(printed))
		back.Protocol.Version = 1
		require.Equal(t, p, back.Protocol, string(printed))
		require.Equal(t, in, back.Instruments[0])
		require.Equal(t, study.Title, back.Title)
	})
}

func TestChanges(t *testing.T) {
	study := created(t, read(t, small))
	text := small
	for old, now := range map[string]string{
		"grace: 7 days":         "grace: 10 days",
		"4 months +/- 7 days":   "4 months -7/+21 days",
		"starts: 7 days,":       "starts: 1 day after session 3,",
		"days: 14,":             "days: 21,",
		"shuffle: true, ":       "",
		"after: 2 hours":        "after: 3 hours",
		`diaryDay: "1.50"`:      `diaryDay: "2.00"`,
		"Yes?":                  "Do you agree to answer our questionnaires that take a few minutes each time and are about you?",
		"kind: growth, outcome": "kind: growth, pooled: true, outcome",
	} {
		require.Contains(t, text, old)
		text = strings.Replace(text, old, now, 1)
	}
	text = strings.Replace(text, "showings:", "changeEvents: [{code: moved, title: Moved in, source: reported}]\nshowings:", 1)
	text = strings.Replace(text, "diaries:", "  - {label: last, at: 8 months, instruments: [asem-daily]}\ndiaries:", 1)
	text = strings.Replace(text, `  - {waves: true, after: 2 days, at: "18:00", jitter: 45 minutes}`+"\n", "", 1)
	p, err := Read("s.yaml", []byte(text), Context{Study: study})
	require.NoError(t, err)
	got := strings.Join(Changes(study, p), "\n") + "\n"
	golden(t, "changes.txt", []byte(got))
	assert.Empty(t, Changes(study, read(t, small)))
}
