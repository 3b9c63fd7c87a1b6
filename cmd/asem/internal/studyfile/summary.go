package studyfile

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"asem/domain"
)

// What a daily core is meant to take at most, and by what effort is reckoned.
const (
	maxTaps    = 15
	maxSeconds = 180

	wordsPerMinute   = 200 // of reading
	secondsPerAnswer = 3
	secondsPerForm   = 5
)

// effort is what answering takes.
type effort struct {
	items, taps int
	seconds     float64
}

func (e effort) plus(f effort) effort {
	return effort{e.items + f.items, e.taps + f.taps, e.seconds + f.seconds}
}

func (e effort) times(n int) effort { return effort{e.items * n, e.taps * n, e.seconds * float64(n)} }

// occasion is what a person is asked at once.
type occasion struct {
	name, when, late string
	times            int    // days of a diary; 1 for a wave
	usual            effort // each time, where nothing behind a gate applies
	most             effort // each time, where everything applies
}

type summary struct {
	occasions []occasion
	core      effort // of a day of the diary that takes most, where nothing behind a gate applies
}

// summary reckons what one person is asked who is asked everything.
func (p planned) summary(plan *Plan) summary {
	var s summary
	language := p.AskedIn()[0]
	for _, w := range p.Waves {
		m := moment{w.Origin, w.Month, w.OpensDaysEarly, w.ClosesDaysLate}
		o := occasion{name: fmt.Sprintf("wave %d", w.Index), when: m.String(), late: amountText(w.GraceDays, "day"), times: 1}
		if w.Label != "" {
			o.name += ", " + w.Label
		}
		if len(w.Arms) > 0 {
			o.name += " (arm " + strings.Join(w.Arms, ", ") + ")"
		}
		for _, ref := range w.Instruments { // a page each
			usual, most := p.effort(plan, ref, language)
			page := effort{taps: 1, seconds: secondsPerForm}
			o.usual, o.most = o.usual.plus(usual).plus(page), o.most.plus(most).plus(page)
		}
		s.occasions = append(s.occasions, o)
	}
	for _, d := range p.Diaries {
		page := effort{taps: 1, seconds: secondsPerForm}
		o := occasion{name: fmt.Sprintf("diary %s, each of %d days", d.Code, d.Days), late: amountText(d.GraceHours, "hour"), times: d.Days, usual: page, most: page}
		o.when = start{d.Origin, d.StartMonth, d.StartDay}.String() + ", " + hoursText(d.OpensHour, d.ClosesHour)
		for _, ref := range d.Instruments {
			usual, most := p.effort(plan, ref, language)
			o.usual, o.most = o.usual.plus(usual), o.most.plus(most)
		}
		if o.usual.taps > s.core.taps {
			s.core = o.usual
		}
		s.occasions = append(s.occasions, o)
	}
	return s
}

// effort reckons what an instrument takes: a tap for each item, and one to say that one is alone before what is sensitive.
func (p planned) effort(plan *Plan, ref domain.InstrumentRef, language string) (usual, most effort) {
	in, ok := plan.instrument(ref)
	if !ok {
		return usual, most
	}
	show := p.Showing(ref.Code)
	if show.Sensitive {
		usual.taps, usual.seconds = 1, secondsPerAnswer
		most = usual
	}
	for _, it := range in.Items {
		one := effort{1, 1, secondsPerAnswer + 60*float64(len(strings.Fields(it.Text[language])))/wordsPerMinute}
		most = most.plus(one)
		if show.Gate == nil || show.Gate.Item == it.ID {
			usual = usual.plus(one)
		}
	}
	return usual, most
}

// planned is a protocol as it will be asked.
type planned struct{ domain.Protocol }

func (p *Plan) instrument(ref domain.InstrumentRef) (domain.Instrument, bool) {
	i := slices.IndexFunc(p.Instruments, func(in domain.Instrument) bool { return in.Ref() == ref })
	if i < 0 {
		return domain.Instrument{}, false
	}
	return p.Instruments[i], true
}

func seconds(s float64) string {
	if s < 90 {
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.0f min", math.Ceil(s/60))
}

func span[T comparable](usual, most T, text func(T) string) string {
	if usual == most {
		return text(usual)
	}
	return text(usual) + " to " + text(most)
}

// Summary writes what each person will be asked, and what else the plan says.
func (p *Plan) Summary(w io.Writer) error {
	pr := planned{p.Protocol}
	fmt.Fprintf(w, "%s: %s\n", p.Code, p.Title)
	labels := make([]string, len(pr.Roles))
	for i, r := range pr.Roles {
		labels[i] = fmt.Sprintf("%s %s", r.Role, r.Label)
	}
	who := strings.Join(labels, ", ")
	if pr.Exchangeable {
		who = "partners are exchangeable"
	}
	fmt.Fprintf(w, "%s; asked in %s; %s\n\n", who, strings.Join(pr.AskedIn(), ", "), plural(max(len(pr.Sites), 1), "site"))
	s := pr.summary(p)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "what each person is asked\twhen\tlate for\titems\ttaps\ttime")
	var usual, most effort
	whole := func(n int) string { return fmt.Sprint(n) }
	for _, o := range s.occasions {
		late := o.late
		if late == "" {
			late = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", o.name, o.when, late, span(o.usual.items, o.most.items, whole), span(o.usual.taps, o.most.taps, whole),
			span(seconds(o.usual.seconds), seconds(o.most.seconds), func(s string) string { return s }))
		usual, most = usual.plus(o.usual.times(o.times)), most.plus(o.most.times(o.times))
	}
	fmt.Fprintf(tab, "altogether\t\t\t%s\t%s\t%s\n", span(usual.items, most.items, whole), span(usual.taps, most.taps, whole),
		span(seconds(usual.seconds), seconds(most.seconds), func(s string) string { return s }))
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "Time is reckoned with %d words a minute, %d s for an answer and %d s for a page.\n", wordsPerMinute, secondsPerAnswer, secondsPerForm)
	p.rest(w, s)
	return nil
}

// rest writes what the plan says beside the occasions.
func (p *Plan) rest(w io.Writer, s summary) {
	pr := p.Protocol
	if len(pr.Diaries) > 0 {
		verdict := "within"
		if s.core.taps > maxTaps || s.core.seconds > maxSeconds {
			verdict = "above"
		}
		fmt.Fprintf(w, "Daily core: %d taps, %s; %s the %d taps and %s that are meant.\n", s.core.taps, seconds(s.core.seconds), verdict, maxTaps, seconds(maxSeconds))
	}
	var scopes []string
	for _, c := range pr.Consents {
		scope := string(c.Scope)
		if c.Required {
			scope += " (required)"
		}
		scopes = append(scopes, scope)
	}
	if scopes != nil {
		fmt.Fprintf(w, "Consent is asked for %s.\n", strings.Join(scopes, ", "))
	}
	if r := pr.Randomise; r != nil {
		var arms []string
		for _, a := range pr.Arms {
			arms = append(arms, a.Code)
		}
		fmt.Fprintf(w, "Each %s is randomised to %s, in permuted blocks within each site.\n", r.Unit, strings.Join(arms, " or "))
	}
	if c := pr.Compensation; c != nil {
		total := 0
		for _, o := range pr.Waves {
			if len(o.Instruments) > 0 {
				total += c.Wave
			}
		}
		for _, d := range pr.Diaries {
			total += c.DiaryDay * d.Days
		}
		fmt.Fprintf(w, "Compensation: up to %s %d.%02d a person.\n", c.Currency, total/100, total%100)
	}
	for _, m := range pr.Analyses {
		fmt.Fprintf(w, "Analysis %s: %s model of %s in the %s data.\n", m.Name, m.Kind, m.Outcome, m.Frame)
	}
	if sum := pr.AnalysisHash(); sum != "" {
		fmt.Fprintf(w, "Plan of analysis, to be quoted in a preregistration: sha256 %s\n", sum)
	}
}
