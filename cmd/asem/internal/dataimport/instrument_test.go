package dataimport

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

const ownInstrument = `code: lab-warmth
version: "1"
title: Warmth
target: partner
items:
  - {id: w1, min: 1, max: 5, text: {en: "My partner was warm today."}, anchors: {en: {1: not at all, 5: very}}}
  - id: w2
    min: 1
    max: 5
    text:
      en: My partner was cold today.
scales:
  - code: warmth
    items: [{id: w1}, {id: w2, reverse: true}]
    method: mean
    missing: {rule: require-complete}
`

func TestAnInstrumentOfALab(t *testing.T) {
	in, err := ParseInstrument("warmth.yaml", []byte(ownInstrument))
	require.NoError(t, err)
	assert.Equal(t, domain.Instrument{
		Code: "lab-warmth", Version: "1", Title: "Warmth", Target: "partner",
		Items: []domain.Item{
			{ID: "w1", Min: 1, Max: 5, Text: map[string]string{"en": "My partner was warm today."}, Anchors: map[string]map[string]string{"en": {"1": "not at all", "5": "very"}}},
			{ID: "w2", Min: 1, Max: 5, Text: map[string]string{"en": "My partner was cold today."}},
		},
		Scales: []domain.Scale{{Code: "warmth", Items: []domain.KeyedItem{{ID: "w1"}, {ID: "w2", Reverse: true}}, Method: domain.Mean, Missing: domain.MissingRule{Rule: domain.RequireComplete}}},
	}, in)
}

func TestWordingForAKey(t *testing.T) {
	key, ok := domain.Key("csi-4", "2007")
	require.True(t, ok)
	lines := []string{"extends: csi-4@2007", "version: 2007-lab", "licence: ours to use", "anchors: {en: {0: low, 5: high}}", "itemAnchors: {c01: {en: {0: low, 6: high}}}", "items:"}
	for _, it := range key.Items {
		lines = append(lines, fmt.Sprintf("  %s: {en: \"Wording of %s\", de: \"Wortlaut %s\"}", it.ID, it.ID, it.ID))
	}
	in, err := ParseInstrument("csi.yaml", []byte(strings.Join(lines, "\n")))
	require.NoError(t, err)
	want, _ := domain.Key("csi-4", "2007")
	want.Version, want.Licence = "2007-lab", "ours to use"
	for i := range want.Items {
		it := &want.Items[i]
		high := "5"
		if it.ID == "c01" {
			high = "6"
		}
		it.Text = map[string]string{"en": "Wording of " + it.ID, "de": "Wortlaut " + it.ID}
		it.Anchors = map[string]map[string]string{"en": {"0": "low", high: "high"}}
	}
	assert.Equal(t, want, in)
	again, _ := domain.Key("csi-4", "2007")
	assert.Equal(t, key, again, "the key that ships stays as it is")
}

func TestBadInstruments(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"in.yaml: the file is empty"}},
		{"an unknown key", strings.Replace(ownInstrument, "method:", "methd:", 1), []string{`in.yaml:15:5: there is no key "methd" here; expected one of code, higherIs, items, method, missing, title; did you mean method?`}},
		{"a limit that is no number", strings.Replace(ownInstrument, "min: 1, max: 5", "min: one, max: 5", 1), []string{`in.yaml:6:19: "one" was written; expected a whole number`}},
		{"limits upside down", strings.Replace(ownInstrument, "min: 1, max: 5", "min: 6, max: 5", 1), []string{"in.yaml:6:5: items[0]: item w1 runs from 6 to 5", `in.yaml:6:90: items[0].anchors.en.1: "1" is not a value`, "items[0].anchors.en.5"}},
		{"the same item twice", strings.Replace(ownInstrument, "id: w2", "id: w1", 1), []string{`in.yaml:7:9: items[1].id: item "w1" stands twice`, `in.yaml:14:23: scales[0].items[1]: scale warmth names item "w2", which the instrument does not have`}},
		{"an unknown method", strings.Replace(ownInstrument, "mean", "median", 1), []string{`in.yaml:15:13: scales[0].method: "median" is not a method`}},
		{"no code", strings.Replace(ownInstrument, "code: lab-warmth\n", "", 1), []string{`in.yaml:1:1: code: "" is not a code`}},
		{"a key that does not ship", "extends: csi-5@2007\nitems: {c01: {en: x}}\n", []string{"in.yaml:1:10: no key csi-5@2007 ships; did you mean csi-4@2007"}},
		{"a key without a version", "extends: csi-4\n", []string{`in.yaml:1:10: "csi-4" is not an instrument; expected code@version`}},
		{"no wording", "extends: csi-4@2007\n", []string{"in.yaml:1:1: there is no wording; expected items"}},
		{"an item that the key lacks", "extends: csi-4@2007\nitems: {c01: {en: a}, c05: {en: b}, c07: {en: c}, c11: {en: d}}\n", []string{`in.yaml:2:56: csi-4@2007 has no item "c11"; did you mean c01 or c10?`, "in.yaml:2:8: item c10 has no wording in en, which other items have"}},
		{"an item without one language", "extends: csi-4@2007\nitems: {c01: {en: a, de: a}, c05: {en: b}, c07: {en: c, de: c}, c10: {en: d, de: d}}\n", []string{"in.yaml:2:35: item c05 has no wording in de"}},
		{"a language that is none", "extends: csi-4@2007\nitems: {c01: {English: a}, c05: {English: b}, c07: {English: c}, c10: {English: d}}\n", []string{`in.yaml:2:24: "English" is not a language`, "in.yaml:2:43: ", "in.yaml:2:62: ", "in.yaml:2:81: "}},
		{"an anchor that is no value", "extends: csi-4@2007\nanchors: {en: {6: high}}\nitems: {c01: {en: a}, c05: {en: b}, c07: {en: c}, c10: {en: d}}\n", []string{`in.yaml:2:19: "6" is not a value of item c05`, "in.yaml:2:19: ", "in.yaml:2:19: "}},
		{"an anchor of one item that is no value", "extends: csi-4@2007\nitemAnchors: {c05: {en: {6: high}}}\nitems: {c01: {en: a}, c05: {en: b}, c07: {en: c}, c10: {en: d}}\n", []string{`in.yaml:2:29: "6" is not a value of item c05`}},
		{"an unknown key beside the wording", "extends: csi-4@2007\nmin: 1\n", []string{`in.yaml:2:1: there is no key "min" here`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := ParseInstrument("in.yaml", []byte(c.text))
			assert.Equal(t, domain.Instrument{}, in)
			got := messages(t, err)
			require.Len(t, got, len(c.want), "%q", got)
			for i, want := range c.want {
				assert.Contains(t, got[i], want)
			}
		})
	}
}
