package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// places reads "1-18" or "2 4 6" into the places of items, from 1.
func places(t testing.TB, text string) []int {
	t.Helper()
	var list []int
	for _, part := range strings.Fields(text) {
		from, to, isRange := strings.Cut(part, "-")
		lo, err := strconv.Atoi(from)
		require.NoError(t, err)
		hi := lo
		if isRange {
			hi, err = strconv.Atoi(to)
			require.NoError(t, err)
		}
		for n := lo; n <= hi; n++ {
			list = append(list, n)
		}
	}
	return list
}

const (
	odd  = "1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31 33 35"
	even = "2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36"
)

// The keys as the published sources give them, by places in the published order: written down a second time
// from instruments.md, so that a slip in a key file shows.
func TestKeysAreThoseOfTheSources(t *testing.T) {
	type scale struct {
		code, items, reversed string
		method                Method
		complete              bool // require-complete
	}
	tests := []struct {
		code, version string
		min, max      int // of all items but the first
		firstMax      int // 0: as the others
		items         int
		scales        []scale
	}{
		{"ecr-r", "2000", 1, 7, 0, 36, []scale{
			{"anxiety", "1-18", "9 11", Mean, false},
			{"avoidance", "19-36", "20 22 26 27 28 29 30 31 33 34 35 36", Mean, false}}},
		{"ecr-r-alternating", "2000", 1, 7, 0, 36, []scale{
			{"anxiety", even, "2 22", Mean, false},
			{"avoidance", odd, "3 5 11 15 17 19 25 27 29 31 33 35", Mean, false}}},
		{"ecr", "1998", 1, 7, 0, 36, []scale{
			{"anxiety", even, "22", Mean, false},
			{"avoidance", odd, "3 15 19 25 27 29 31 33 35", Mean, false}}},
		{"ecr-s", "2007", 1, 7, 0, 12, []scale{
			{"anxiety", "2 4 6 8 10 12", "8", Mean, false},
			{"avoidance", "1 3 5 7 9 11", "1 5 9", Mean, false}}},
		{"ecr-12", "2016", 1, 7, 0, 12, []scale{
			{"anxiety", "1 2 3 5 7 8", "", Mean, false},
			{"avoidance", "4 6 9 10 11 12", "6 9 10 11 12", Mean, false}}},
		{"ecr-rs", "2011", 1, 7, 0, 9, []scale{
			{"anxiety", "7-9", "", Mean, false},
			{"avoidance", "1-6", "1 2 3 4", Mean, false}}},
		{"csi-4", "2007", 0, 5, 6, 4, []scale{{"satisfaction", "1-4", "", Sum, true}}},
		{"csi-16", "2007", 0, 5, 6, 16, []scale{{"satisfaction", "1-16", "", Sum, true}}},
		{"pprs-12", "2018", 1, 9, 0, 12, []scale{
			{"responsiveness", "1-12", "", Mean, false}, {"understanding", "3-7", "", Mean, false}, {"validation", "8-12", "", Mean, false}}},
		{"pprs-18", "2018", 1, 9, 0, 18, []scale{
			{"responsiveness", "1-18", "", Mean, false}, {"understanding", "3-10", "", Mean, false}, {"validation", "11-18", "", Mean, false}}},
		{"saam", "2009", 1, 7, 0, 21, []scale{
			{"state_security", "4 6 7 11 13 18 20", "", Mean, false},
			{"state_avoidance", "2 3 9 10 15 16 21", "", Mean, false},
			{"state_anxiety", "1 5 8 12 14 17 19", "", Mean, false}}},
		{"saam-6", "2009", 1, 7, 0, 6, []scale{
			{"state_security", "1 2", "", Mean, true}, {"state_anxiety", "3 4", "", Mean, true}, {"state_avoidance", "5 6", "", Mean, true}}},
		{"i-panas-sf", "2007", 1, 5, 0, 10, []scale{
			{"positive_affect", "1-5", "", Sum, false}, {"negative_affect", "6-10", "", Sum, false}}},
	}
	checked := map[string]bool{}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			in, ok := Key(test.code, test.version)
			require.True(t, ok)
			checked[in.Code] = true
			require.Len(t, in.Items, test.items)
			for i, it := range in.Items {
				hi := test.max
				if i == 0 && test.firstMax != 0 {
					hi = test.firstMax
				}
				assert.Equal(t, [2]int{test.min, hi}, [2]int{it.Min, it.Max}, it.ID)
			}
			require.Len(t, in.Scales, len(test.scales))
			for i, want := range test.scales {
				got := in.Scales[i]
				rule := MissingRule{Rule: PersonMean, MaxShare: 0.2}
				if want.complete {
					rule = MissingRule{Rule: RequireComplete}
				}
				require.Equal(t, want.code, got.Code)
				assert.Equal(t, want.method, got.Method, got.Code)
				assert.Equal(t, rule, got.Missing, got.Code)
				var items, reversed []int
				for _, k := range got.Items {
					place := 1 + slices.IndexFunc(in.Items, func(it Item) bool { return it.ID == k.ID })
					items = append(items, place)
					if k.Reverse {
						reversed = append(reversed, place)
					}
				}
				assert.Equal(t, places(t, want.items), items, got.Code)
				assert.Equal(t, places(t, want.reversed), reversed, got.Code)
			}
		})
	}
	for _, in := range Keys() {
		assert.True(t, checked[in.Code] || ours(in), "the key of %s is not held against its source", in.Ref())
	}
}

// The short forms take over items of the long ones; their tags show that the numbers fit.
func TestShortFormsAreMadeOfTheLong(t *testing.T) {
	for _, test := range []struct {
		short, shortVersion, long, longVersion string
		places                                 string // in the long form, in the order of the short
		reversed                               string // places in the long form
	}{
		{"ecr-s", "2007", "ecr", "1998", "33 18 11 26 35 16 17 22 27 32 13 6", "33 35 22 27"},
		{"ecr-12", "2016", "ecr", "1998", "2 6 8 9 14 15 18 24 25 27 29 31", "15 25 27 29 31"},
		{"csi-4", "2007", "csi-16", "2007", "1 5 7 10", ""},
		{"pprs-12", "2018", "pprs-18", "2018", "1 2 4 6 8 9 10 11 12 14 15 17", ""},
	} {
		t.Run(test.short, func(t *testing.T) {
			short, ok := Key(test.short, test.shortVersion)
			require.True(t, ok)
			long, ok := Key(test.long, test.longVersion)
			require.True(t, ok)
			from := places(t, test.places)
			require.Len(t, short.Items, len(from))
			for i, it := range short.Items {
				origin := long.Items[from[i]-1]
				assert.Equal(t, origin.Tag, it.Tag)
				assert.Equal(t, [2]int{origin.Min, origin.Max}, [2]int{it.Min, it.Max}, it.ID)
				assert.Equal(t, scalesOf(long, origin.ID), scalesOf(short, it.ID), "%s and %s", origin.ID, it.ID)
				reversed := slices.ContainsFunc(scalesOf(short, it.ID), func(s string) bool { return strings.HasSuffix(s, " reversed") })
				assert.Equal(t, slices.Contains(places(t, test.reversed), from[i]), reversed, it.ID)
			}
		})
	}
}

// scalesOf lists the scales that an item counts in, and how.
func scalesOf(in Instrument, item string) []string {
	var list []string
	for _, s := range in.Scales {
		for _, k := range s.Items {
			if k.ID == item && k.Reverse {
				list = append(list, s.Code+" reversed")
			} else if k.ID == item {
				list = append(list, s.Code)
			}
		}
	}
	return list
}

// ours reports whether the instrument is of our own wording.
func ours(in Instrument) bool { return strings.HasPrefix(in.Code, "asem-") }

func TestEveryKeyIsSound(t *testing.T) {
	all := Keys()
	require.NotEmpty(t, all)
	seen := map[InstrumentRef]bool{}
	for _, in := range all {
		t.Run(in.Ref().String(), func(t *testing.T) {
			require.NoError(t, in.Validate())
			assert.False(t, seen[in.Ref()], "it ships twice")
			seen[in.Ref()] = true
			assert.NotEmpty(t, in.Source)
			assert.NotEmpty(t, in.Licence)
			assert.NotEmpty(t, in.Scales)
			for _, s := range in.Scales {
				assert.NotEmpty(t, s.Title, s.Code)
				assert.NotEmpty(t, s.HigherIs, s.Code)
				assert.NotEmpty(t, s.Missing.Rule, "%s: the rule is spelled out", s.Code)
				assert.Equal(t, s.Missing.Rule == PersonMean, s.Missing.MaxShare > 0, "%s: and its share", s.Code)
			}
			tags := map[string]bool{}
			for _, it := range in.Items {
				assert.NotEmpty(t, it.Tag, it.ID)
				assert.False(t, tags[it.Tag], "the tag %q stands twice and tells nothing", it.Tag)
				tags[it.Tag] = true
			}
			// What is read back from the log must equal what ships, or registering it again would conflict.
			text, err := json.Marshal(in)
			require.NoError(t, err)
			var back Instrument
			require.NoError(t, json.Unmarshal(text, &back))
			assert.Equal(t, in, back)
		})
	}
}

// No wording of a published item ships, nor a name of one on ours; ours can be asked in three languages.
func TestWordingIsOurs(t *testing.T) {
	own := 0
	for _, in := range Keys() {
		t.Run(in.Code, func(t *testing.T) {
			if !ours(in) {
				for _, it := range in.Items {
					assert.Empty(t, it.Text, it.ID)
					assert.Empty(t, it.Anchors, it.ID)
					assert.LessOrEqual(t, len(strings.Fields(it.Tag)), 7, "the tag of %s is no tag", it.ID)
				}
				return
			}
			own++
			assert.Equal(t, "asem", in.Source)
			assert.True(t, strings.HasPrefix(in.Title, "asem "), "%q is named as ours", in.Title)
			for _, it := range in.Items {
				for _, lang := range []string{"en", "de", "he"} {
					assert.NotEmpty(t, it.Text[lang], "%s in %s", it.ID, lang)
					for _, value := range []int{it.Min, it.Max} {
						assert.NotEmpty(t, it.Anchors[lang][strconv.Itoa(value)], "%s: what %d means in %s", it.ID, value, lang)
					}
					assert.Equal(t, len(it.Anchors["en"]), len(it.Anchors[lang]), "%s has the same anchors in %s", it.ID, lang)
				}
				assert.Len(t, it.Text, 3, it.ID)
				hebrew := func(r rune) bool { return unicode.Is(unicode.Hebrew, r) }
				assert.True(t, strings.ContainsFunc(it.Text["he"], hebrew), it.ID)
				assert.False(t, strings.ContainsFunc(it.Text["he"], func(r rune) bool { return unicode.Is(unicode.Latin, r) }), it.ID)
				assert.False(t, strings.ContainsFunc(it.Text["en"]+it.Text["de"], hebrew), it.ID)
			}
		})
	}
	assert.Equal(t, 6, own)
}

// A tap an item: the daily core stays short, also with the one question that opens the tension record.
func TestDailyCoreIsShort(t *testing.T) {
	core, ok := LatestKey("asem-daily")
	require.True(t, ok)
	assert.LessOrEqual(t, len(core.Items), 9)
	tension, ok := LatestKey("asem-tension")
	require.True(t, ok)
	assert.LessOrEqual(t, len(core.Items)+1, 15)
	assert.Equal(t, [2]int{0, 1}, [2]int{tension.Items[0].Min, tension.Items[0].Max}, "the first question opens or closes the record")
	for _, it := range tension.Items {
		if slices.Contains([]string{"t_when", "t_topic", "t_who", "t_ended"}, it.ID) {
			assert.Empty(t, scalesOf(tension, it.ID), "%s is a category", it.ID)
			assert.Len(t, it.Anchors["en"], it.Max-it.Min+1, "every category of %s has a name", it.ID)
		} else {
			assert.NotEmpty(t, scalesOf(tension, it.ID), it.ID)
		}
	}
}

func TestKeyHandsOutCopies(t *testing.T) {
	in, ok := LatestKey("asem-demo")
	require.True(t, ok)
	before, err := json.Marshal(in)
	require.NoError(t, err)
	for _, get := range []func() Instrument{
		func() Instrument { in, _ := Key("asem-demo", in.Version); return in },
		func() Instrument { in, _ := LatestKey("asem-demo"); return in },
		func() Instrument {
			in, _ := find(Keys(), func(in Instrument) bool { return in.Code == "asem-demo" })
			return in
		},
	} {
		got := get()
		got.Items[0].Text["en"], got.Items[0].Anchors["en"]["1"], got.Items[1].Max = "changed", "changed", 99
		got.Scales[0].Items[0].Reverse = !got.Scales[0].Items[0].Reverse
		got.Scales[1].Code = "changed"
		after, err := json.Marshal(get())
		require.NoError(t, err)
		assert.JSONEq(t, string(before), string(after))
	}
}

func TestUnknownKeys(t *testing.T) {
	for _, ref := range []InstrumentRef{{"ecr-r", "1999"}, {"ecr-r", ""}, {"ECR-R", "2000"}, {"", ""}} {
		in, ok := Key(ref.Code, ref.Version)
		assert.False(t, ok, ref)
		assert.Equal(t, Instrument{}, in, ref)
	}
	_, ok := LatestKey("no-such")
	assert.False(t, ok)
}

func TestLatestKeyIsTheLastOfItsCode(t *testing.T) {
	for _, in := range Keys() {
		latest, ok := LatestKey(in.Code)
		require.True(t, ok)
		assert.GreaterOrEqual(t, compareVersions(latest.Version, in.Version), 0)
	}
}

func TestVersionsAreOrderedByNumber(t *testing.T) {
	ordered := []string{"", "a", "1", "1-b", "1.2", "2", "09", "9", "10", "10-a", "2007", "2011", "99999999999999999999"}
	for i, a := range ordered {
		for j, b := range ordered {
			t.Run(fmt.Sprintf("%q and %q", a, b), func(t *testing.T) {
				assert.Equal(t, i < j, compareVersions(a, b) < 0)
				assert.Equal(t, i == j, compareVersions(a, b) == 0)
			})
		}
	}
}

func TestDecodeKeyRefusesWhatItDoesNotKnow(t *testing.T) {
	const good = `{"code":"k","version":"1","title":"K","items":[{"id":"a","min":1,"max":2}],"scales":[]}`
	_, err := decodeKey([]byte(good))
	require.NoError(t, err)
	for name, test := range map[string]struct{ text, want string }{
		"a misspelt field":      {strings.Replace(good, `"max"`, `"maximum"`, 1), "maximum"},
		"a limit that is text":  {strings.Replace(good, `2}`, `"2"}`, 1), "max"},
		"something behind":      {good + `{}`, "something follows"},
		"half a file":           {good[:40], "unexpected EOF"},
		"an unsound instrument": {strings.Replace(good, `"max":2`, `"max":1`, 1), "runs from 1 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeKey([]byte(test.text))
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// Each file is found under the code that it holds.
func TestKeyFilesAreNamedByTheirCode(t *testing.T) {
	entries, err := keyFiles.ReadDir("keys")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := keyFiles.ReadFile("keys/" + e.Name())
		require.NoError(t, err)
		in, err := decodeKey(text)
		require.NoError(t, err)
		assert.Equal(t, in.Code+".json", e.Name())
	}
}
