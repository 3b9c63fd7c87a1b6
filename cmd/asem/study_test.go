package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events"
)

// Every ready plan becomes a study, whose printed plan is the one in force; doing it again changes nothing.
func TestStudiesFromReadyPlans(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	list := must(t, "study", "list")
	for _, name := range []string{"quick", "eight-months", "twelve-months", "one-month-activities", "diary-and-months"} {
		assert.Contains(t, list, name)
		code := strings.ToUpper(name)
		created := must(t, "study", "create", "--from", name, "--code", code, "--title", "A title", "--zone", "Asia/Jerusalem", "--data", data)
		assert.Contains(t, created, "study "+code+" was created: A title; version 1 of its plan is in force")
		again := must(t, "study", "create", "--from", name, "--code", code, "--title", "A title", "--zone", "Asia/Jerusalem", "--data", data)
		assert.Contains(t, again, "nothing was changed")
		shown := must(t, "study", "show", "--study", code, "--data", data)
		assert.Contains(t, shown, "zone: Asia/Jerusalem")
		file := write(t, "plan.yaml", shown)
		assert.Contains(t, must(t, "study", "publish", "--study", code, "--data", data, file), "that is in force, version 1; nothing was changed")
		assert.Contains(t, must(t, "study", "validate", file), "sha256")
	}
	assert.Contains(t, must(t, "verify", "--data", data), "are as they were appended")
}

// A lab copies a ready plan, changes it, and publishes it again; what would harm couples that answered already is refused with its place.
func TestPublishedPlans(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	text := must(t, "study", "template", "one-month-activities")
	file := write(t, "month.yaml", text)
	assert.Contains(t, must(t, "study", "create", "--from", file, "--dry-run", "--data", data), "would be created: A month after activities together; 8 events. Nothing was done.")
	must(t, "study", "create", "--from", file, "--data", data)

	changed := write(t, "month.yaml", strings.NewReplacer("1 month -2/+7 days", "1 month -2/+10 days", "days: 7", "days: 10").Replace(text))
	dry := must(t, "study", "publish", "--study", "ONE-MONTH", "--dry-run", "--data", data, changed)
	assert.Contains(t, dry, "wave 3: at: 1 month -2/+10 days instead of 1 month -2/+7 days\ndiary week: days: 10 instead of 7\n")
	assert.Contains(t, dry, "This would be version 2 of the plan of study ONE-MONTH. Nothing was done.")
	assert.Contains(t, must(t, "study", "publish", "--study", "ONE-MONTH", "--data", data, changed), "Version 2 of the plan of study ONE-MONTH is in force.")
	assert.Contains(t, must(t, "study", "show", "--study", "ONE-MONTH", "--data", data), "version 2 of its protocol")

	for name, tt := range map[string]struct{ old, now, want string }{
		"a wave moved": {"at: 1 month -2/+10 days", "at: 2 months", "wave 3 was at month 1; observations may refer to it, so it must stay"},
		"arms":         {"weight: 1}\n  - {code: comparison", "weight: 2}\n  - {code: comparison", "couples may have been randomised to the arms by this plan, so it must stay"},
		"a key":        {"waves:\n", "wavse:\n", "did you mean waves?"},
	} {
		now, err := os.ReadFile(changed)
		require.NoError(t, err)
		bad := write(t, "bad.yaml", strings.Replace(string(now), tt.old, tt.now, 1))
		_, stderr, code := asem(t, "study", "publish", "--study", "ONE-MONTH", "--data", data, bad)
		assert.Equal(t, 2, code, name)
		assert.Contains(t, stderr, tt.want, name)
		assert.Regexp(t, `bad\.yaml:\d+:\d+: `, stderr, name)
	}
	assert.Contains(t, must(t, "study", "show", "--study", "ONE-MONTH", "--data", data), "version 2 of its protocol", "nothing of a refused plan is in force")
}

// The secret of a randomisation is there once the plan is published, stays with later versions, and lies sealed in the log.
func TestRandomisationIsSeeded(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, "study", "create", "--from", "one-month-activities", "--data", data)
	draw := func() (arms []string) {
		s := storage{Data: data}
		require.NoError(t, s.with(t.Context(), func(h *house) error {
			past, err := h.exec.Past(t.Context(), "ONE-MONTH", "")
			require.NoError(t, err)
			for n := range 40 {
				arm, err := past.Study.Draw("main", n+1)
				require.NoError(t, err)
				arms = append(arms, arm)
			}
			found := false
			return events.Scan(t.Context(), h.archive, 0, 100, func(list []events.Envelope) error {
				for _, e := range list {
					if e.Type == "randomisation.seeded" {
						found = true
						assert.True(t, e.Sealed)
						assert.NotContains(t, string(e.Payload), "seed")
					}
				}
				assert.True(t, found)
				return nil
			})
		}))
		return arms
	}
	first := draw()
	text := strings.Replace(must(t, "study", "template", "one-month-activities"), "days: 7", "days: 10", 1)
	must(t, "study", "publish", "--study", "ONE-MONTH", "--data", data, write(t, "month.yaml", text))
	must(t, "key", "rotate", "--data", data)
	assert.Equal(t, first, draw(), "after another version and under another master key")
	assert.Contains(t, first, "closeness")
	assert.Contains(t, first, "comparison")
}

func TestBadStudyCommands(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	bad := write(t, "bad.yaml", "study: {code: S, title: T, zone: Berlin}\nwaves: [{at: soon}]\ndiary: []\n")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"an unknown key comes first": {[]string{"study", "validate", bad}, `bad.yaml:3:1: there is no key "diary" here`},
		"no file":                    {[]string{"study", "validate", "nowhere.yaml"}, "nowhere.yaml: the file cannot be read"},
		"a folder":                   {[]string{"study", "validate", t.TempDir()}, "the file cannot be read"},
		"no template":                {[]string{"study", "template", "quik"}, "quik: there is no such ready plan; did you mean quick?; see asem study list"},
		"no study":                   {[]string{"study", "show", "--study", "NONE", "--data", data}, "there are no studies in this folder"},
		"nothing to publish for":     {[]string{"study", "publish", "--study", "NONE", "--data", data, bad}, "there are no studies in this folder"},
		"a huge file":                {[]string{"study", "validate", write(t, "huge.yaml", strings.Repeat("#", 1<<20+1))}, "the file has 1048577 bytes; expected at most 1048576"},
	} {
		_, stderr, code := asem(t, tt.args...)
		assert.Equal(t, 2, code, name)
		assert.Contains(t, stderr, tt.want, name)
	}
	must(t, "study", "create", "--from", "quick", "--data", data)
	_, stderr, code := asem(t, "study", "create", "--from", "quick", "--title", "Another", "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "study QUICK exists already")
	_, stderr, code = asem(t, "study", "publish", "--study", "NONE", "--data", data, bad)
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, `there is no study "NONE"`)
}

// A lab's instruments lie beside its plan.
func TestInstrumentsOfTheLab(t *testing.T) {
	dir := t.TempDir()
	text := must(t, "study", "template", "twelve-months")
	text = strings.Replace(text, "  - asem-satisfaction@1\n", "  - csi.yaml\n", 1)
	text = strings.NewReplacer("instruments: [asem-demo, asem-satisfaction,", "instruments: [asem-demo, csi-4,", "- instrument: asem-satisfaction", "- instrument: csi-4").Replace(text)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "csi.yaml"), []byte("extends: csi-4@2007\nversion: 2007-lab\nitems:\n  c01: {en: a, de: b, he: c}\n  c05: {en: a, de: b, he: c}\n  c07: {en: a, de: b, he: c}\n  c10: {en: a, de: b, he: c}\n"), 0o600))
	plan := filepath.Join(dir, "plan.yaml")
	require.NoError(t, os.WriteFile(plan, []byte(text), 0o600))
	data := filepath.Join(t.TempDir(), "data")
	must(t, "study", "create", "--from", plan, "--data", data)
	shown := must(t, "study", "show", "--study", "TWELVE-MONTHS", "--data", data)
	assert.Contains(t, shown, "ownInstruments:\n  - code: csi-4\n    version: 2007-lab\n")
	assert.Contains(t, must(t, "study", "publish", "--study", "TWELVE-MONTHS", "--data", data, write(t, "shown.yaml", shown)), "nothing was changed")
}
