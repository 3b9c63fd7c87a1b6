package language

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?([a-z%])`)

// arguments lists what a text takes: "1d 2s".
func arguments(text string) []string {
	var list []string
	next := 1
	for _, m := range verb.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			_, _ = fmt.Sscan(m[1], &next)
		}
		list = append(list, fmt.Sprint(next, m[2]))
		next++
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	first := All()[0]
	require.Greater(t, len(first.texts), 150)
	for _, l := range All() {
		assert.Equal(t, first.Keys(), l.Keys(), l.Tag)
		for key, text := range l.texts {
			switch was := first.texts[key].(type) {
			case string:
				now, ok := text.(string)
				assert.True(t, ok && strings.TrimSpace(now) != "", "%s %s", l.Tag, key)
				assert.Equal(t, arguments(was), arguments(now), "%s %s", l.Tag, key)
			case count:
				now, ok := text.(count)
				require.True(t, ok && now.Other != "" && now.One != "", "%s %s", l.Tag, key)
				assert.Equal(t, arguments(was.Other), arguments(now.Other), "%s %s", l.Tag, key)
				for _, form := range []string{now.One, now.Two} { // that say the number in words
					assert.Subset(t, arguments(was.Other), arguments(form), "%s %s", l.Tag, key)
				}
			}
		}
	}
}

func TestTextsAreInTheirOwnScript(t *testing.T) {
	he, _ := For("he")
	for key, text := range he.texts {
		s := fmt.Sprint(text)
		assert.True(t, strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Hebrew, r) }), key)
	}
	en, _ := For("en")
	de, _ := For("de")
	same := 0
	for key, text := range en.texts {
		if de.texts[key] == text {
			same++
		}
	}
	assert.Less(t, same, 8, "texts that nobody translated")
}

func TestPlurals(t *testing.T) {
	for _, c := range []struct {
		tag  string
		n    int
		want string
	}{
		{"en", 1, "1 question"}, {"en", 7, "7 questions"}, {"en", 0, "0 questions"},
		{"de", 1, "1 Frage"}, {"de", 1234, "1.234 Fragen"},
		{"he", 1, "שאלה אחת"}, {"he", 2, "שתי שאלות"}, {"he", 7, "7 שאלות"}, {"he", 20, "20 שאלות"},
	} {
		l, ok := For(c.tag)
		require.True(t, ok)
		assert.Equal(t, c.want, l.T("today.questions", c.n), "%s %d", c.tag, c.n)
	}
}

func TestDays(t *testing.T) {
	at := time.Date(2026, time.March, 5, 20, 14, 0, 0, time.UTC)
	for tag, want := range map[string][3]string{
		"en": {"Thursday 5 March", "5 March 2026", "5 March 2026, 20:14"},
		"de": {"Donnerstag, 5. März", "5. März 2026", "5. März 2026, 20:14 Uhr"},
		"he": {"יום חמישי, 5 במרץ", "5 במרץ 2026", "5 במרץ 2026, 20:14"},
	} {
		l, _ := For(tag)
		assert.Equal(t, want, [3]string{l.Day(at), l.Date(at), l.Moment(at)})
	}
}

func TestNumbers(t *testing.T) {
	en, _ := For("en")
	de, _ := For("de")
	assert.Equal(t, "1,234.50", en.Number(1234.5))
	assert.Equal(t, "1.234,50", de.Number(1234.5))
	assert.Equal(t, "12", de.Number(12))
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		header  string
		offered []string
		want    string
	}{
		{"", nil, "en"}, {"de-AT,de;q=0.9,en;q=0.5", nil, "de"}, {"iw", nil, "he"}, {"fr", nil, "en"}, {"nonsense;;q", nil, "en"},
		{"en", []string{"de", "he"}, "de"}, {"he-IL", []string{"de", "he"}, "he"}, {"he", []string{"fr"}, "he"},
	} {
		assert.Equal(t, c.want, Match(c.header, c.offered...).Tag, "%q %v", c.header, c.offered)
	}
}

func BenchmarkText(b *testing.B) {
	l := All()[1]
	b.ReportAllocs()
	for b.Loop() {
		_ = l.T("today.questions", 7)
	}
}
