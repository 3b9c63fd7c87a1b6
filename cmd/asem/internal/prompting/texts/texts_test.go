package texts

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// phrases lists every phrase of a language by its place.
func phrases(path string, v reflect.Value, into map[string]string) {
	switch v.Kind() {
	case reflect.String:
		into[path] = v.String()
	case reflect.Struct:
		for i := range v.NumField() {
			phrases(path+"."+v.Type().Field(i).Name, v.Field(i), into)
		}
	case reflect.Array, reflect.Slice:
		into[path+"#"] = fmt.Sprint(v.Len())
		for i := range v.Len() {
			phrases(fmt.Sprintf("%s[%d]", path, i), v.Index(i), into)
		}
	}
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	require.Equal(t, []string{"en", "de", "he"}, Languages())
	english := map[string]string{}
	phrases("", reflect.ValueOf(all[0]), english)
	require.Greater(t, len(english), 50)
	for _, w := range all {
		said := map[string]string{}
		phrases("", reflect.ValueOf(w), said)
		for path, text := range english {
			require.Contains(t, said, path, w.Tag)
			assert.NotEmpty(t, strings.TrimSpace(said[path]), "%s %s", w.Tag, path)
			assert.ElementsMatch(t, placeholder.FindAllString(text, -1), placeholder.FindAllString(said[path], -1), "%s %s", w.Tag, path)
			if w.Tag != "en" && strings.Contains(text, " ") && path != ".Day" && path != ".Moment" {
				assert.NotEqual(t, text, said[path], "%s %s is not translated", w.Tag, path)
			}
		}
		assert.Len(t, said, len(english), w.Tag)
		for path, text := range said {
			if w.Direction == "rtl" && path != ".Tag" && path != ".Direction" && path != ".Day" && !strings.HasSuffix(path, "#") {
				assert.Regexp(t, `\p{Hebrew}`, text, path)
			}
		}
	}
}

func TestLettersAreFilledAndTellNothing(t *testing.T) {
	for _, w := range all {
		for name, l := range map[string]Letter{"wave": w.Wave, "diary": w.Diary, "sign-in": w.SignIn, "invitation": w.Invitation} {
			r, err := w.Render(l, Values{Link: "https://j.example/in?a=1&b=<2>", Until: "UNTIL", Minutes: "15", Name: "The lab & co"})
			require.NoError(t, err)
			for _, body := range []string{r.Text, r.HTML, r.Subject} {
				assert.NotRegexp(t, placeholder, body, "%s %s", w.Tag, name)
				assert.NotRegexp(t, `(?i)study|studie|partner|couple|paar|relationship|beziehung|attachment|מחקר|זוג`, body, "%s %s", w.Tag, name)
			}
			assert.Contains(t, r.Text, "\nhttps://j.example/in?a=1&b=<2>\n", "on a line of its own")
			assert.Contains(t, r.Text, "The lab & co")
			assert.Contains(t, r.HTML, `<html lang="`+w.Tag+`" dir="`+w.Direction+`">`)
			assert.Contains(t, r.HTML, `href="https://j.example/in?a=1&amp;b=%3c2%3e"`)
			assert.Contains(t, r.HTML, "The lab &amp; co")
			assert.NotRegexp(t, `(?i)<img|<script|<link|src=`, r.HTML, "nothing is loaded")
			assert.Equal(t, 1, strings.Count(r.HTML, "<a "))
		}
		r, err := w.Render(w.Wave, Values{Subject: "Own"})
		require.NoError(t, err)
		assert.Equal(t, "Own", r.Subject)
	}
}

func TestUntil(t *testing.T) {
	evening := time.Date(2026, time.March, 3, 21, 5, 0, 0, time.UTC)
	midnight := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ tag, evening, midnight string }{
		{"en", "Tuesday, 3 March, 21:05", "Saturday, 28 February"},
		{"de", "Dienstag, 3. März, 21:05 Uhr", "Samstag, 28. Februar"},
		{"he", "יום שלישי, 3 במרץ, בשעה 21:05", "יום שבת, 28 בפברואר"},
	} {
		assert.Equal(t, c.evening, For(c.tag).Until(evening))
		assert.Equal(t, c.midnight, For(c.tag).Until(midnight), "the end of the day before")
	}
}

func TestForFindsTheNearestLanguage(t *testing.T) {
	for tag, want := range map[string]string{"en": "en", "de": "de", "de-AT": "de", "he": "he", "iw": "he", "he-IL": "he", "fr": "en", "": "en", "not a tag": "en"} {
		assert.Equal(t, want, For(tag).Tag, tag)
	}
}
