package texts

import (
	"fmt"
	"time"

	"golang.org/x/text/language"
)

// Words are everything that letters say in one language.
type Words struct {
	Tag       string // of the language
	Direction string // "ltr" or "rtl"

	Weekdays [7]string // from Sunday
	Months   [12]string
	Day      string // {weekday}, {day} and {month}
	Moment   string // {date} and {time}, by a clock of 24 hours

	Wave       Letter // a wave is open
	Diary      Letter // a diary day is open
	SignIn     Letter // somebody asked for a link to sign in
	Invitation Letter // somebody may take part
}

// Letter is what one kind of letter says. {until} stands for the moment at which it is too late, {minutes} for how long a link can be used.
type Letter struct {
	Subject  string
	Greeting string
	Before   []string // paragraphs before the link
	Button   string   // what the link says
	After    []string // paragraphs after it
}

// all lists the languages; the first is for whoever reads none of them.
var all = []Words{english, german, hebrew}

var matcher = language.NewMatcher(tags())

func tags() []language.Tag {
	list := make([]language.Tag, len(all))
	for i, w := range all {
		list[i] = language.MustParse(w.Tag)
	}
	return list
}

// Languages lists the tags of all languages.
func Languages() []string {
	list := make([]string, len(all))
	for i, w := range all {
		list[i] = w.Tag
	}
	return list
}

// For returns the words for a language tag such as de or de-AT: those in the nearest language there is, else English ones.
func For(tag string) Words {
	t, err := language.Parse(tag)
	if err != nil {
		return all[0]
	}
	_, i, _ := matcher.Match(t)
	return all[i]
}

// Until writes the moment before which something can be done, by the clock of its zone. Midnight is the end of the day before.
func (w Words) Until(t time.Time) string {
	if t.Hour() == 0 && t.Minute() == 0 {
		return w.date(t.AddDate(0, 0, -1))
	}
	return fill(w.Moment, "{date}", w.date(t), "{time}", fmt.Sprintf("%d:%02d", t.Hour(), t.Minute()))
}

func (w Words) date(t time.Time) string {
	return fill(w.Day, "{weekday}", w.Weekdays[t.Weekday()], "{day}", fmt.Sprint(t.Day()), "{month}", w.Months[t.Month()-1])
}
