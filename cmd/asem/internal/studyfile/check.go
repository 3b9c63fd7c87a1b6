package studyfile

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
	"asem/projections"
)

// maxText bounds one text that participants read, in characters.
const maxText = 20000

// check has the domain decide on the plan as if the study were created now, and finds what only a plan can get wrong.
func (r *reader) check() {
	var study domain.Study
	code := r.plan.Code
	if domain.CheckCode("", code) != nil { // told below
		code = "S"
	}
	r.decide(&study, domain.CreateStudy{Study: r.plan.Code, Title: r.plan.Title, Zone: r.plan.Zone})
	if !study.Exists() {
		study.Apply(domain.StudyCreated{Code: code, Title: "a study", Zone: "Etc/UTC"})
	}
	if now := r.in.Study; now != nil {
		if r.plan.Code != now.Code {
			r.wrong("study.code", "this is the plan of study %s; it cannot be published for study %s", yamltext.Clip(r.plan.Code), now.Code)
		}
		for _, in := range now.Instruments {
			study.Apply(domain.InstrumentRegistered{Instrument: in})
		}
		study.Apply(domain.ProtocolPublished{Protocol: now.Protocol})
	}
	for i, in := range r.plan.Instruments {
		_, err := domain.Decide(domain.Past{Study: &study}, domain.RegisterInstrument{Study: study.Code, Instrument: in})
		for _, e := range yamltext.Refusals(err) {
			r.wrong(r.listed[i], "%s", e.Message)
		}
		study.Apply(domain.InstrumentRegistered{Instrument: in})
	}
	p := r.plan.Protocol
	p.Version = study.Protocol.Version + 1
	r.decide(&study, domain.PublishProtocol{Study: study.Code, Protocol: p})
	r.texts()
	r.consents()
	if !r.Any() {
		r.compile(study)
	}
}

// decide applies what follows from a command, and notes why nothing does.
func (r *reader) decide(study *domain.Study, c domain.Command) {
	decided, err := domain.Decide(domain.Past{Study: study}, c)
	for _, e := range yamltext.Refusals(err) {
		if at := r.plan.at.of(e.Path); !r.bad[at] && !r.below(at) {
			r.wrong(at, "%s", e.Message)
		}
	}
	for _, e := range decided {
		study.Apply(e)
	}
}

// below reports whether a problem was told of something within the value at a path, from which this one follows.
func (r *reader) below(path string) bool {
	for bad := range r.bad {
		if strings.HasPrefix(bad, path+".") || strings.HasPrefix(bad, path+"[") {
			return true
		}
	}
	return false
}

// texts bounds what participants read and refuses what they could not read.
func (r *reader) texts() {
	p := r.plan.Protocol
	check := func(path string, text map[string]string) {
		for _, l := range sorted(text) {
			at := path + "." + l
			if n := utf8.RuneCountInString(text[l]); n > maxText {
				r.wrong(at, "the text has %d characters; expected at most %d", n, maxText)
			}
			if !slices.Contains(p.AskedIn(), l) {
				r.wrong(at, "participants are not asked in %q; expected one of %v, or %s under languages", yamltext.Clip(l), p.AskedIn(), yamltext.Clip(l))
			}
			if strings.TrimSpace(text[l]) == "" {
				r.wrong(at, "the text is empty")
			}
		}
	}
	for i, c := range r.file.Consents {
		check(yamltext.Element("consents", i)+".text", c.Text)
	}
	for i, n := range r.file.Notes {
		check(yamltext.Element("notes", i)+".text", n.Text)
	}
	for i, t := range r.file.Tasks {
		check(yamltext.Element("tasks", i)+".text", t.Text)
	}
	for i, s := range r.file.Sites {
		for j, h := range s.Help {
			check(yamltext.Element(yamltext.Element("sites", i)+".help", j)+".label", h.Label)
		}
	}
}

// consents refuses a plan that asks for something to which nobody can agree. A plan without any form is for data that come from elsewhere.
func (r *reader) consents() {
	p := r.plan.Protocol
	if len(p.Consents) == 0 {
		return
	}
	need := func(scope domain.Scope, needed bool, why string) {
		if _, ok := p.ConsentForm(scope); needed && !ok {
			r.wrong("consents", "there is %s and no form for the scope %s, so that nobody could agree to it", why, scope)
		}
	}
	need(domain.ScopeQuestionnaires, slices.ContainsFunc(p.Waves, func(w domain.Wave) bool { return len(w.Instruments) > 0 }), "a wave")
	need(domain.ScopeDiary, len(p.Diaries) > 0, "a diary")
	need(domain.ScopeVideo, slices.ContainsFunc(p.Tasks, func(t domain.Task) bool { return !t.Unrecorded }), "a recorded task")
}

// compile tries each planned analysis on made-up data of the study, so that a plan that cannot be carried out is refused before it is preregistered.
func (r *reader) compile(study domain.Study) {
	for i, m := range r.plan.Protocol.Analyses {
		at := yamltext.Element("analyses", i)
		sample, err := projections.SampleFrame(study, m.Frame)
		if err == nil {
			err = projections.SpecOf(m).Compile(sample)
		}
		if err == nil {
			continue
		}
		list := yamltext.Refusals(err)
		if len(list) == 0 {
			r.wrong(at, "%s", err)
		}
		for _, e := range list {
			r.wrong(at, "%s", e.Message)
		}
	}
}

// placeholder marks what a lab has to fill in before participants read it.
const placeholder = "PLACEHOLDER"

// warn notes what is allowed and should be looked at.
func (r *reader) warn() {
	warn := func(path, format string, args ...any) {
		r.plan.Warnings = append(r.plan.Warnings, r.Where(path)+": "+fmt.Sprintf(format, args...))
	}
	p := r.plan.Protocol
	fill := func(path, text string) {
		if strings.Contains(text, placeholder) {
			warn(path, "there is a placeholder to be replaced before anybody reads it")
		}
	}
	texts := func(path string, text map[string]string) {
		for _, l := range sorted(text) {
			fill(path+"."+l, text[l])
		}
	}
	for i, s := range p.Sites {
		at := yamltext.Element("sites", i)
		fill(at+".title", s.Title)
		if len(s.Help) == 0 {
			warn(at, "participants of this site find no help lines")
		}
		for j, h := range s.Help {
			at := yamltext.Element(at+".help", j)
			fill(at+".number", h.Number)
			fill(at+".link", h.Link)
			texts(at+".label", h.Label)
		}
	}
	for i, c := range p.Consents {
		texts(yamltext.Element("consents", i)+".text", c.Text)
	}
	for i, n := range r.file.Notes {
		texts(yamltext.Element("notes", i)+".text", n.Text)
	}
	for i, t := range p.Tasks {
		texts(yamltext.Element("tasks", i)+".text", t.Text)
	}
	asks := len(p.Diaries) > 0 || slices.ContainsFunc(p.Waves, func(w domain.Wave) bool { return len(w.Instruments) > 0 })
	if now := r.in.Study; now != nil && (now.Title != r.plan.Title || now.Zone != r.plan.Zone) {
		warn("study", "title and zone of a study stay as they were when it was created: %s, %s", now.Title, now.Zone)
	}
	if asks && len(p.Consents) == 0 {
		warn("", "there are no consent forms, so that nobody can be asked anything here")
	}
	if asks && len(p.Sites) == 0 {
		warn("", "there are no sites, so that participants find no help lines")
	}
	r.warnInstruments(warn)
	if s := (planned{p}).summary(r.plan); s.core.taps > maxTaps || s.core.seconds > maxSeconds {
		warn("diaries", "the daily core takes %d taps and about %s; at most %d and %s keep people answering for months", s.core.taps, seconds(s.core.seconds), maxTaps, seconds(maxSeconds))
	}
}

// warnInstruments notes instruments that nobody is asked, and those that participants could not read.
func (r *reader) warnInstruments(warn func(path, format string, args ...any)) {
	asked := map[domain.InstrumentRef]bool{}
	for _, w := range r.plan.Protocol.Waves {
		for _, ref := range w.Instruments {
			asked[ref] = true
		}
	}
	for _, d := range r.plan.Protocol.Diaries {
		for _, ref := range d.Instruments {
			asked[ref] = true
		}
	}
	for i, in := range r.plan.Instruments {
		at := r.listed[i]
		if !asked[in.Ref()] {
			warn(at, "%s is asked at no wave and in no diary", in.Ref())
			continue
		}
		for _, l := range r.plan.Protocol.AskedIn() {
			if n := unworded(in, l); n > 0 {
				warn(at, "%d of %d items of %s have no wording in %s, so that it cannot be asked in that language; see asem instrument import --help", n, len(in.Items), in.Ref(), l)
			}
		}
	}
}

func unworded(in domain.Instrument, language string) (n int) {
	for _, it := range in.Items {
		if it.Text[language] == "" {
			n++
		}
	}
	return n
}

func sorted(text map[string]string) []string {
	list := make([]string, 0, len(text))
	for l := range text {
		list = append(list, l)
	}
	slices.Sort(list)
	return list
}
