package language

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// Language is one in which the pages can be read. It is safe for concurrent use.
type Language struct {
	Tag  string // as in HTML: "en"
	Name string // as its speakers call it
	Dir  string // in which it is written: "ltr" or "rtl"

	calendar
	texts   texts
	printer *message.Printer
}

// texts are messages by key: a string, or a count where the number of something decides on the form.
type texts map[string]any

// count is a message in the plural forms that a language has. The number stands first among the arguments. A form that is not given
// is that of Other.
type count struct{ One, Two, Other string }

func (c count) message() catalog.Message {
	cases := []any{}
	if c.One != "" {
		cases = append(cases, plural.One, c.One)
	}
	if c.Two != "" {
		cases = append(cases, plural.Two, c.Two)
	}
	return plural.Selectf(1, "%d", append(cases, plural.Other, c.Other)...)
}

// calendar is how a language writes days. In the patterns W stands for the day of the week, D for the day, M for the month and Y for the year.
type calendar struct {
	weekdays  [7]string  // from Sunday
	months    [12]string // as written after a day
	day, date string     // patterns: without and with the year
	moment    string     // of a day and a time
}

// list holds the languages in the order in which they are offered. The first is what is taken where nothing fits.
var list = []*Language{english(), german(), hebrew()}

var matcher = func() language.Matcher {
	builder := catalog.NewBuilder(catalog.Fallback(language.English))
	tags := make([]language.Tag, len(list))
	for i, l := range list {
		tags[i] = language.MustParse(l.Tag)
		for key, text := range l.texts {
			var err error
			switch text := text.(type) {
			case string:
				err = builder.SetString(tags[i], key, text)
			case count:
				err = builder.Set(tags[i], key, text.message())
			default:
				err = fmt.Errorf("%T is no text", text)
			}
			if err != nil {
				panic(fmt.Sprintf("language %s, text %s: %v", l.Tag, key, err)) // ours: the tests load them all
			}
		}
	}
	for i, l := range list {
		l.printer = message.NewPrinter(tags[i], message.Catalog(builder))
	}
	return language.NewMatcher(tags)
}()

// All returns the languages in the order in which they are offered.
func All() []*Language { return list }

// For returns the language with a tag.
func For(tag string) (*Language, bool) {
	for _, l := range list {
		if l.Tag == tag {
			return l, true
		}
	}
	return nil, false
}

// Match returns the language that suits best what a browser asks for in its Accept-Language header, of those whose tags are
// given; of all if none is given.
func Match(header string, offered ...string) *Language {
	wanted, _, _ := language.ParseAcceptLanguage(header) // what cannot be read is asked for by nobody
	_, index, _ := matcher.Match(wanted...)
	best := list[index]
	if len(offered) == 0 {
		return best
	}
	for _, tag := range offered {
		if tag == best.Tag {
			return best
		}
	}
	for _, tag := range offered {
		if l, ok := For(tag); ok {
			return l
		}
	}
	return best
}

// T returns the text with a key. Whether it takes arguments, and which, its English form shows.
func (l *Language) T(key string, args ...any) string {
	if s, ok := l.texts[key].(string); ok && len(args) == 0 {
		return s
	}
	return l.printer.Sprintf(key, args...)
}

// Has reports whether there is a text with the key.
func (l *Language) Has(key string) bool { return l.texts[key] != nil }

// Keys lists the keys of all texts in order.
func (l *Language) Keys() []string {
	keys := make([]string, 0, len(l.texts))
	for k := range l.texts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Day writes the day of a moment without the year: "Wednesday 25 November".
func (l *Language) Day(t time.Time) string { return l.fill(l.day, t) }

// Date writes the day of a moment with the year: "25 November 2026".
func (l *Language) Date(t time.Time) string { return l.fill(l.date, t) }

// Time writes a time of day by the 24-hour clock: "20:14".
func (l *Language) Time(t time.Time) string { return t.Format("15:04") }

// Moment writes a day, with its year, and the time: "25 November 2026, 20:14".
func (l *Language) Moment(t time.Time) string {
	return strings.NewReplacer("D", l.Date(t), "T", l.Time(t)).Replace(l.moment)
}

// Number writes a number with the separators of the language and no more than two decimals.
func (l *Language) Number(x float64) string {
	if x == float64(int64(x)) {
		return l.printer.Sprint(int64(x))
	}
	return l.printer.Sprintf("%.2f", x)
}

func (l *Language) fill(pattern string, t time.Time) string {
	return strings.NewReplacer("W", l.weekdays[t.Weekday()], "D", fmt.Sprint(t.Day()), "M", l.months[t.Month()-1], "Y", fmt.Sprint(t.Year())).Replace(pattern)
}
