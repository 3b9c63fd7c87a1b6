package web

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

// saying is one answer in words.
type saying struct{ Question, Answer string }

// ownEntry is one thing that a person sent, or let pass.
type ownEntry struct {
	Title, State string
	Answers      []saying
}

// entryPage is an entry with the language in which it is shown.
type entryPage struct {
	*language.Language
	Entry ownEntry
}

type ownPage struct {
	Diary, Waves, Notes []ownEntry
	Any                 bool
}

// own shows a person everything that came from this person. Answers are folded away.
func (v *visit) own() {
	var page ownPage
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		page.Any = page.Any || !e.Missed
		one := ownEntry{Title: v.occasion(e.Occasion)}
		if e.Missed {
			one.State = v.T("own.missed")
		} else {
			one.State = v.T("own.sentOn", v.Moment(e.FilledAt.In(v.zone))) + " · " + v.T("own."+map[domain.Timing]string{domain.TimingOnTime: "ontime", domain.TimingLate: "late"}[e.Timing])
			if e.Timing == domain.TimingUnrecorded {
				one.State = v.T("own.unrecorded")
			}
			one.Answers = v.sentences(e)
		}
		if e.Occasion.Burst != "" {
			page.Diary = append(page.Diary, one)
		} else {
			page.Waves = append(page.Waves, one)
		}
	}
	for _, n := range v.past.Couple.Notes(v.me.Role) {
		page.Any = true
		page.Notes = append(page.Notes, ownEntry{Title: v.occasion(n.Occasion), State: v.T("own.sentOn", v.Moment(n.WrittenAt.In(v.zone))), Answers: []saying{{v.invitation(n), n.Text}}})
	}
	for _, list := range [][]ownEntry{page.Diary, page.Waves, page.Notes} {
		slices.Reverse(list) // the newest first
	}
	v.render(http.StatusOK, "own", "own", page)
}

// occasion names when something was asked.
func (v *visit) occasion(o domain.Occasion) string {
	if o.Burst != "" {
		return v.T("form.diaryOf", v.Day(o.Day.Start(time.UTC)))
	}
	return v.T("form.wave") + " " + strconv.Itoa(o.Wave)
}

func (v *visit) invitation(n domain.NoteWritten) string {
	for _, p := range v.past.Study.Protocol.Notes {
		if p.Code == n.Prompt {
			words, _ := wording(p.Text, v.Tag, v.past.Study.Protocol.AskedIn())
			return words
		}
	}
	return v.T("form.note")
}

func (v *visit) sentences(e domain.Entry) (list []saying) {
	in := v.past.Study.Instruments[domain.InstrumentRef{Code: e.Instrument, Version: e.Version}]
	for _, a := range e.Answers {
		it, _ := in.Item(a.Item)
		words, _ := wording(it.Text, v.Tag, v.past.Study.Protocol.AskedIn())
		s := saying{Question: firstOf(words, a.Item), Answer: v.T("own.skipped")}
		if a.Value != nil {
			s.Answer = strconv.Itoa(*a.Value)
			if it.Max > it.Min {
				s.Answer = v.T("own.value", *a.Value, it.Max)
			}
			if word := v.anchorsOf(it)[strconv.Itoa(*a.Value)]; word != "" {
				s.Answer += " · " + word
			}
		}
		list = append(list, s)
	}
	return list
}

// exported is what a person takes away. Times are in the person's zone.
type exported struct {
	Made    time.Time         `json:"made"`
	Zone    string            `json:"zone"`
	Consent []exportedConsent `json:"consent"`
	Entries []exportedEntry   `json:"entries"`
	Notes   []exportedNote    `json:"notes"`
}

type exportedConsent struct {
	Scope   string    `json:"scope"`
	Version string    `json:"version"`
	At      time.Time `json:"at,omitzero"`
}

type exportedEntry struct {
	Wave       int              `json:"wave,omitempty"`
	Day        string           `json:"day,omitempty"`
	SentAt     time.Time        `json:"sentAt,omitzero"`
	Timing     string           `json:"timing,omitempty"`
	Missed     bool             `json:"missed,omitempty"`
	Instrument string           `json:"instrument,omitempty"`
	Version    string           `json:"version,omitempty"`
	Answers    []exportedAnswer `json:"answers,omitempty"`
}

type exportedAnswer struct {
	Item     string `json:"item"`
	Question string `json:"question,omitempty"`
	Value    *int   `json:"value"`
	Missing  string `json:"missing,omitempty"`
}

type exportedNote struct {
	Wave   int       `json:"wave,omitempty"`
	Day    string    `json:"day,omitempty"`
	SentAt time.Time `json:"sentAt"`
	Text   string    `json:"text"`
}

func (v *visit) export() exported {
	out := exported{Made: v.now.Truncate(time.Second), Zone: v.who.Zone, Consent: []exportedConsent{}, Entries: []exportedEntry{}, Notes: []exportedNote{}}
	for _, s := range domain.Scopes() {
		if c, ok := v.who.Consents[s]; ok {
			one := exportedConsent{Scope: string(s), Version: c.Version}
			if !c.At.IsZero() {
				one.At = c.At.In(v.zone)
			}
			out.Consent = append(out.Consent, one)
		}
	}
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		one := exportedEntry{Wave: e.Occasion.Wave, Day: e.Occasion.Day.String(), Timing: string(e.Timing), Missed: e.Missed, Instrument: e.Instrument, Version: e.Version}
		if !e.FilledAt.IsZero() {
			one.SentAt = e.FilledAt.In(v.zone)
		}
		in := v.past.Study.Instruments[domain.InstrumentRef{Code: e.Instrument, Version: e.Version}]
		for _, a := range e.Answers {
			it, _ := in.Item(a.Item)
			words, _ := wording(it.Text, v.Tag, v.past.Study.Protocol.AskedIn())
			one.Answers = append(one.Answers, exportedAnswer{a.Item, words, a.Value, a.Missing})
		}
		out.Entries = append(out.Entries, one)
	}
	for _, n := range v.past.Couple.Notes(v.me.Role) {
		out.Notes = append(out.Notes, exportedNote{n.Occasion.Wave, n.Occasion.Day.String(), n.WrittenAt.In(v.zone), n.Text})
	}
	return out
}

func (v *visit) attach(kind, name string, body []byte) {
	v.w.Header().Set("Content-Type", kind)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.w.Write(body) // the client may be gone
}

func (v *visit) ownJSON() {
	body, err := json.MarshalIndent(v.export(), "", "  ")
	if err != nil {
		v.failed(err)
		return
	}
	v.attach("application/json", "journal.json", body)
}

// ownCSV writes a line for each answer. A text that a spreadsheet could take for a formula is quoted.
func (v *visit) ownCSV() {
	var b strings.Builder
	b.WriteString("\ufeff") // so that spreadsheets read it as UTF-8
	w := csv.NewWriter(&b)
	rows := [][]string{{"wave", "day", "sent_at", "timing", "instrument", "version", "item", "question", "value", "missing", "text"}}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	e := v.export()
	for _, one := range e.Entries {
		if one.Missed {
			rows = append(rows, []string{number(one.Wave), one.Day, "", "missed", "", "", "", "", "", "", ""})
		}
		for _, a := range one.Answers {
			value := ""
			if a.Value != nil {
				value = strconv.Itoa(*a.Value)
			}
			rows = append(rows, []string{number(one.Wave), one.Day, one.SentAt.Format(time.RFC3339), one.Timing, one.Instrument, one.Version, a.Item, plain(a.Question), value, a.Missing, ""})
		}
	}
	for _, n := range e.Notes {
		rows = append(rows, []string{number(n.Wave), n.Day, n.SentAt.Format(time.RFC3339), "", "", "", "", "", "", "", plain(n.Text)})
	}
	if err := w.WriteAll(rows); err != nil {
		v.failed(err)
		return
	}
	v.attach("text/csv; charset=utf-8", "journal.csv", []byte(b.String()))
}

// plain keeps a spreadsheet from taking a text for a formula.
func plain(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
