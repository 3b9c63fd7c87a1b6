package web

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

// part is what is sent at once: a whole diary day, or one instrument of a wave, so that what is done of a wave is kept by the log itself.
type part struct {
	domain.Offer
	Refs  []domain.InstrumentRef // that it asks, in order
	Notes []domain.NotePrompt    // at its end
	Index int                    // of the part in its occasion, from 1
	Count int                    // parts of the occasion
}

// parts lists what an offer is sent in.
func parts(past domain.Past, o domain.Offer) []part {
	notes := past.Study.Protocol.NotesAfter(o.Occasion)
	if o.Burst != "" {
		return []part{{o, o.Instruments, notes, 1, 1}}
	}
	list := make([]part, len(o.Instruments))
	for i, ref := range o.Instruments {
		list[i] = part{o, []domain.InstrumentRef{ref}, nil, i + 1, len(o.Instruments)}
	}
	list[len(list)-1].Notes = notes
	return list
}

// key names a part among those of a person.
func (p part) key() []string {
	list := []string{"form", strconv.Itoa(p.Wave), p.Burst, p.Day.String()}
	if p.Burst == "" {
		list = append(list, p.Refs[0].Code)
	}
	return list
}

// id is the opaque address of a part. It holds for this person only, so that nobody can send answers in the place of another.
func (v *visit) id(p part) string { return v.opaque(p.key()...) }

// find returns the part with an address.
func (v *visit) find(id string) (part, bool) {
	for _, o := range v.past.Agenda(v.me.Role) {
		for _, p := range parts(v.past, o) {
			if v.id(p) == id {
				return p, true
			}
		}
	}
	return part{}, false
}

// form is a part as it is shown.
type form struct {
	ID, Action string
	Title      string
	Lead       string // which day, which part
	Command    string // id of the command that it becomes
	Issued     string // when it was made, with a seal
	Passed     int64  // milliseconds since then, where it is shown again
	Questions  []question
	Faults     []fault
	Restored   bool // holds what was posted
}

// question is one item, or one note.
type question struct {
	*language.Language
	Name     string // of the field
	Legend   string
	Lang     string // of the wording, where it is not that of the page
	Dir      string
	Kind     string // "scale", "list", "number" or "text"
	Choices  []choice
	Anchors  []anchor
	Each     bool // anchors stand one below the other
	Min, Max int
	Limit    int // characters
	Value    string
	MaySkip  bool
	Skipped  bool
	Only     string // shown before: to what answer it applies
	Gate     string // name of the field it depends on
	GateIs   int
	Fault    string
	Private  bool // only clinicians read it
}

type choice struct {
	Value   int
	Word    string
	Checked bool
}

type anchor struct {
	Value int
	Word  string
}

// Label writes the value as people do.
func (c choice) Label() string { return signed(c.Value) }

// Label writes the value as people do.
func (a anchor) Label() string { return signed(a.Value) }

// signed writes a number with a real minus sign.
func signed(n int) string { return strings.Replace(strconv.Itoa(n), "-", "\u2212", 1) }

// fault is what is wrong with one field.
type fault struct{ Name, Legend, Text string }

// widest is the largest number of values that are shown as buttons; from there on a number is typed.
const widest = 11

// skipValue is what a skipped question sends.
const skipValue = "skip"

// fieldName names the field of an item. An instrument stands once in a form, and an item once in an instrument.
func fieldName(ref domain.InstrumentRef, item string) string { return "q." + ref.Code + "." + item }

func noteName(n domain.NotePrompt) string { return "n." + n.Code }

// shown returns the items of an instrument in the order in which a person sees them at an occasion: always the same one, and for others another.
// What decides whether the others apply comes first.
func shown(in domain.Instrument, s domain.Showing, person string, o domain.Occasion) []domain.Item {
	list := slices.Clone(in.Items)
	if s.Shuffle {
		rank := func(it domain.Item) string {
			sum := sha256.Sum256(fmt.Appendf(nil, "order\x00%s\x00%d\x00%s\x00%s\x00%s\x00%s", person, o.Wave, o.Burst, o.Day, in.Ref(), it.ID))
			return string(sum[:])
		}
		slices.SortFunc(list, func(a, b domain.Item) int { return strings.Compare(rank(a), rank(b)) })
	}
	if s.Gate != nil {
		slices.SortStableFunc(list, func(a, b domain.Item) int { return after(a.ID != s.Gate.Item) - after(b.ID != s.Gate.Item) })
	}
	return list
}

func after(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// wording returns a text in the best of the languages that it has.
func wording(text map[string]string, want string, offered []string) (words, tag string) {
	for _, l := range append([]string{want}, append(offered, "en")...) {
		if text[l] != "" {
			return text[l], l
		}
	}
	return "", ""
}

// questions lists what a part asks. It is false if an item has no wording at all.
func (v *visit) questions(p part) ([]question, bool) {
	var list []question
	protocol := v.past.Study.Protocol
	for _, ref := range p.Refs {
		in, s := v.past.Study.Instruments[ref], protocol.Showing(ref.Code)
		var gate *domain.Item
		if s.Gate != nil {
			if it, ok := in.Item(s.Gate.Item); ok {
				gate = &it
			}
		}
		for _, it := range shown(in, s, v.who.Code, p.Occasion) {
			q, ok := v.question(ref, it, s)
			if !ok {
				return nil, false
			}
			if gate != nil && it.ID != gate.ID {
				q.Gate, q.GateIs = fieldName(ref, gate.ID), s.Gate.Value
				word, _ := wording(v.anchorsOf(*gate), strconv.Itoa(s.Gate.Value), nil)
				q.Only = v.T("form.only", firstOf(word, strconv.Itoa(s.Gate.Value)))
			}
			list = append(list, q)
		}
	}
	for _, n := range p.Notes {
		words, tag := wording(n.Text, v.Tag, protocol.AskedIn())
		q := question{Language: v.Language, Name: noteName(n), Legend: words, Kind: "text", Limit: n.MaxLength(), Private: true}
		v.speak(&q, tag)
		list = append(list, q)
	}
	return list, true
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// speak marks a question that is not in the language of the page.
func (v *visit) speak(q *question, tag string) {
	if tag == v.Tag {
		return
	}
	q.Lang, q.Dir = tag, "ltr"
	if l, ok := language.For(tag); ok {
		q.Dir = l.Dir
	}
}

// anchorsOf returns what the values of an item mean, in the best language.
func (v *visit) anchorsOf(it domain.Item) map[string]string {
	for _, l := range append([]string{v.Tag}, append(v.past.Study.Protocol.AskedIn(), "en")...) {
		if len(it.Anchors[l]) > 0 {
			return it.Anchors[l]
		}
	}
	return nil
}

func (v *visit) question(ref domain.InstrumentRef, it domain.Item, s domain.Showing) (question, bool) {
	words, tag := wording(it.Text, v.Tag, v.past.Study.Protocol.AskedIn())
	q := question{Language: v.Language, Name: fieldName(ref, it.ID), Legend: words, Min: it.Min, Max: it.Max, MaySkip: s.MaySkip}
	v.speak(&q, tag)
	n := it.Max - it.Min + 1
	if n > widest {
		q.Kind = "number"
		return q, words != ""
	}
	anchors := v.anchorsOf(it)
	if tag != "" && len(it.Anchors[tag]) > 0 {
		anchors = it.Anchors[tag] // in the language of the question
	}
	q.Kind = "scale"
	if len(anchors) == n {
		q.Kind = "list"
	}
	for value := it.Min; value <= it.Max; value++ {
		word := anchors[strconv.Itoa(value)]
		q.Choices = append(q.Choices, choice{Value: value, Word: word})
		if word != "" {
			q.Anchors = append(q.Anchors, anchor{value, word})
			q.Each = q.Each || value != it.Min && value != it.Max && 2*value != it.Min+it.Max
		}
	}
	return q, words != ""
}

// Columns is how many buttons stand beside each other.
func (q question) Columns() int {
	if n := len(q.Choices); n > 7 {
		return (n + 1) / 2
	}
	return len(q.Choices)
}

// Ends reports whether only the two ends have a meaning in words.
func (q question) Ends() bool { return len(q.Anchors) == 2 }

// reading is what was posted for a part.
type reading struct {
	entries []domain.DiaryEntry // one for each instrument
	notes   map[string]string   // by the code of the invitation
	faults  []fault
}

// read makes answers of what was posted. The questions are marked with it, so that they can be shown again.
func (v *visit) read(p part, posted url.Values, questions []question) reading {
	got := reading{notes: map[string]string{}}
	at := map[string]*question{}
	for i := range questions {
		at[questions[i].Name] = &questions[i]
	}
	wrong := func(q *question, text string) {
		q.Fault = text
		got.faults = append(got.faults, fault{q.Name, q.Legend, text})
	}
	for _, ref := range p.Refs {
		in, s := v.past.Study.Instruments[ref], v.past.Study.Protocol.Showing(ref.Code)
		entry := domain.DiaryEntry{Instrument: ref.Code, Version: ref.Version}
		answers := map[string]domain.Answer{}
		applies := true
		for _, it := range shown(in, s, v.who.Code, p.Occasion) {
			entry.ShownOrder = append(entry.ShownOrder, it.ID)
			q := at[fieldName(ref, it.ID)]
			if !applies {
				answers[it.ID] = domain.Answer{Item: it.ID, Missing: domain.MissingNotApplicable}
				continue
			}
			a, problem := v.answer(it, s, posted[q.Name], q)
			if problem != "" {
				wrong(q, problem)
			}
			answers[it.ID] = a
			if s.Gate != nil && it.ID == s.Gate.Item {
				applies = a.Value != nil && *a.Value == s.Gate.Value
			}
		}
		for _, it := range in.Items { // in one order, whatever was shown: the same answers are then the same
			entry.Answers = append(entry.Answers, answers[it.ID])
		}
		got.entries = append(got.entries, entry)
	}
	for _, n := range p.Notes {
		q := at[noteName(n)]
		text := strings.TrimSpace(strings.ReplaceAll(posted.Get(q.Name), "\r\n", "\n"))
		q.Value = text
		switch {
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			q.Value = ""
			wrong(q, v.T("error.text"))
		case utf8.RuneCountInString(text) > q.Limit:
			wrong(q, v.T("error.long", q.Limit))
		case text != "":
			got.notes[n.Code] = text
		}
	}
	order := func(f fault) int {
		return slices.IndexFunc(questions, func(q question) bool { return q.Name == f.Name })
	}
	slices.SortStableFunc(got.faults, func(a, b fault) int { return order(a) - order(b) })
	return got
}

// answer reads what was posted for one item; the problem is empty if there is none.
func (v *visit) answer(it domain.Item, s domain.Showing, values []string, q *question) (a domain.Answer, problem string) {
	a.Item = it.ID
	skipped := slices.Contains(values, skipValue)
	values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return strings.TrimSpace(s) == "" || s == skipValue })
	switch {
	case len(values) > 1 || len(values) == 1 && skipped && q.Kind != "number":
		return a, v.T("error.twice")
	case len(values) == 1:
		q.Value = strings.TrimSpace(values[0])
		n, err := strconv.Atoi(q.Value)
		if err != nil || n < it.Min || n > it.Max {
			if q.Kind != "number" || utf8.RuneCountInString(q.Value) > 20 {
				q.Value = ""
			}
			return a, v.T("error.range", it.Min, it.Max)
		}
		a.Value = &n
		for i := range q.Choices {
			q.Choices[i].Checked = q.Choices[i].Value == n
		}
		return a, ""
	case skipped && s.MaySkip:
		q.Skipped = true
		a.Missing = domain.MissingSkipped
		return a, ""
	case s.MaySkip:
		return a, v.T("error.unansweredSkip")
	}
	return a, v.T("error.unanswered")
}
