package studyfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"asem/cmd/asem/internal/dataimport"
	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// Plan is a study as a file describes it.
type Plan struct {
	Code, Title, Zone string
	Instruments       []domain.Instrument // in the order of the file; a protocol may name others that the study has already
	Protocol          domain.Protocol     // without a version
	Warnings          []string            // what is allowed and should be looked at, each with its place

	doc *yamltext.Document
	at  places
}

// Context is what a file is read in.
type Context struct {
	Files fs.FS         // the folder of the file, for the instruments beside it; nil: none
	Study *domain.Study // the study that the plan is for; nil: one that does not exist yet

	Code, Title, Zone string // instead of those of the file; empty: as it says
}

// Bounds of a file, far above any study: what they keep out is what a small text could blow up into.
const (
	maxRepeats     = 100
	maxInstruments = 100
	maxDiaries     = 200
)

// Read reads a plan. Every problem has its place and says what was expected; they come joined, with code invalid.
func Read(name string, text []byte, in Context) (*Plan, error) {
	var f file
	r := &reader{file: &f, in: in, plan: &Plan{at: places{origin: map[string]string{}}}}
	r.Document = yamltext.Read(name, text, &f)
	r.plan.doc = r.Document
	if !r.Filled() {
		return nil, r.Result()
	}
	r.study()
	r.instruments()
	r.protocol()
	r.check()
	if err := r.Result(); err != nil {
		return nil, err
	}
	r.warn()
	return r.plan, nil
}

// reader turns a file into a plan.
type reader struct {
	*yamltext.Document
	file *file
	in   Context
	plan *Plan
	refs map[string][]domain.InstrumentRef // by code: what waves and diaries may name

	listed []string // where each of the plan's instruments stands
}

// wrong notes a problem with the value at a path, unless one was told of it already.
func (r *reader) wrong(path, format string, args ...any) {
	if r.Told(path) {
		return
	}
	if !r.Has(path) {
		format, args = "%s: "+format, append([]any{path}, args...)
	}
	r.Wrong(path, format, args...)
}

func (r *reader) must(path string, err error) {
	if err != nil {
		r.wrong(path, "%s", err)
	}
}

func (r *reader) study() {
	s := r.file.Study
	r.plan.Code, r.plan.Title, r.plan.Zone = cmp.Or(r.in.Code, s.Code), cmp.Or(r.in.Title, s.Title), cmp.Or(r.in.Zone, s.Zone)
}

// instruments finds what the file lists: keys that ship, files beside it, and what it holds itself.
func (r *reader) instruments() {
	r.refs = map[string][]domain.InstrumentRef{}
	seen := map[domain.InstrumentRef]bool{}
	add := func(path string, in domain.Instrument) {
		ref := in.Ref()
		if seen[ref] {
			r.wrong(path, "instrument %s stands twice", ref)
			return
		}
		seen[ref] = true
		r.refs[ref.Code] = append(r.refs[ref.Code], ref)
		r.plan.Instruments, r.listed = append(r.plan.Instruments, in), append(r.listed, path)
	}
	if n := len(r.file.Instruments) + len(r.file.OwnInstruments); n > maxInstruments {
		r.wrong("instruments", "there are %d instruments; expected at most %d", n, maxInstruments)
		return
	}
	for i, name := range r.file.Instruments {
		path := yamltext.Element("instruments", i)
		if in, ok := r.instrument(path, name); ok {
			add(path, in)
		}
	}
	for i, in := range r.file.OwnInstruments {
		path := yamltext.Element("ownInstruments", i)
		before := len(r.refusals(path, in.Validate()))
		if before == 0 {
			add(path, in)
		}
	}
	if r.in.Study == nil {
		return
	}
	for _, ref := range slices.SortedFunc(maps.Keys(r.in.Study.Instruments), func(a, b domain.InstrumentRef) int { return strings.Compare(a.String(), b.String()) }) {
		if !seen[ref] {
			r.refs[ref.Code] = append(r.refs[ref.Code], ref)
		}
	}
}

// refusals notes what the domain found wrong with a part of the file whose keys have the domain's names.
func (r *reader) refusals(path string, err error) []*domain.Error {
	list := yamltext.Refusals(err)
	for _, e := range list {
		at := path
		if e.Path != "" {
			at += "." + e.Path
		}
		r.wrong(at, "%s", e.Message)
	}
	return list
}

// instrument finds one entry of the list.
func (r *reader) instrument(at, name string) (domain.Instrument, bool) {
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		return r.instrumentFile(at, name)
	}
	code, version, ok := strings.Cut(name, "@")
	if !ok || code == "" || version == "" {
		r.wrong(at, "%q is not an instrument; expected code@version, such as asem-daily@1, or a YAML file beside this one", yamltext.Clip(name))
		return domain.Instrument{}, false
	}
	if in, ok := domain.Key(code, version); ok {
		return in, true
	}
	ref := domain.InstrumentRef{Code: code, Version: version}
	if r.in.Study != nil {
		if in, ok := r.in.Study.Instruments[ref]; ok {
			return in, true
		}
	}
	var shipped []string
	for _, k := range domain.Keys() {
		shipped = append(shipped, k.Ref().String())
	}
	r.wrong(at, "no key %s ships%s", yamltext.Clip(ref.String()), yamltext.DidYouMean(ref.String(), shipped))
	return domain.Instrument{}, false
}

func (r *reader) instrumentFile(at, name string) (domain.Instrument, bool) {
	var none domain.Instrument
	if r.in.Files == nil || !fs.ValidPath(name) {
		r.wrong(at, "%q cannot be read; expected a file beside this one", yamltext.Clip(name))
		return none, false
	}
	info, err := fs.Stat(r.in.Files, name)
	switch {
	case err != nil:
		r.wrong(at, "there is no file %s beside this one", yamltext.Clip(name))
		return none, false
	case !info.Mode().IsRegular() || info.Size() > yamltext.MaxBytes:
		r.wrong(at, "%s has %d bytes; expected a file of at most %d", yamltext.Clip(name), info.Size(), yamltext.MaxBytes)
		return none, false
	}
	text, err := fs.ReadFile(r.in.Files, name)
	if err != nil {
		r.wrong(at, "the file %s cannot be read", yamltext.Clip(name))
		return none, false
	}
	in, err := dataimport.ParseInstrument(name, text)
	for _, e := range yamltext.Refusals(err) {
		r.Add(e) // its place is in the other file
	}
	return in, err == nil
}

// asked resolves the instruments that a wave or diary names.
func (r *reader) asked(at string, names []string) []domain.InstrumentRef {
	var list []domain.InstrumentRef
	for i, name := range names {
		at := yamltext.Element(at+".instruments", i)
		code, version, exact := strings.Cut(name, "@")
		known := r.refs[code]
		ref := domain.InstrumentRef{Code: code, Version: version}
		switch {
		case !exact && len(known) > 1:
			r.wrong(at, "there are several versions of %s; expected one of %v", yamltext.Clip(code), known)
		case !exact && len(known) == 1:
			ref = known[0]
		case !slices.Contains(known, ref):
			among := slices.Collect(maps.Keys(r.refs))
			slices.Sort(among)
			r.wrong(at, "%q is not among the instruments of this file%s", yamltext.Clip(name), yamltext.DidYouMean(code, among))
		}
		if slices.ContainsFunc(list, func(o domain.InstrumentRef) bool { return o.Code == ref.Code }) {
			r.wrong(at, "%s is asked twice", yamltext.Clip(name))
		}
		list = append(list, ref)
	}
	return list
}

func (r *reader) protocol() {
	f, p := r.file, &r.plan.Protocol
	p.Roles, p.Exchangeable, p.AfterSeparation, p.Languages = f.Roles, f.Exchangeable, f.AfterSeparation, f.Languages
	if p.Roles == nil && f.Exchangeable {
		p.Roles = []domain.RoleLabel{{Role: domain.RoleA, Label: "A"}, {Role: domain.RoleB, Label: "B"}}
	}
	if p.TimeUnitMonths = 1; f.TimeUnitMonths != nil {
		p.TimeUnitMonths = *f.TimeUnitMonths
	}
	p.Sites, p.Consents, p.Constructs, p.Showings = f.Sites, f.Consents, f.Constructs, f.Showings
	p.Tasks, p.Schemes, p.Arms, p.Randomise, p.ChangeEvents = f.Tasks, f.Schemes, f.Arms, f.Randomise, f.ChangeEvents
	r.waves()
	repeated := r.diaries()
	r.notes(repeated)
	r.reminders(repeated)
	r.compensation()
	r.analyses()
}

func (r *reader) waves() {
	for i, w := range r.file.Waves {
		at := yamltext.Element("waves", i)
		out := domain.Wave{Index: i + 1, Label: w.Label, Arms: w.Arms, Instruments: r.asked(at, w.Instruments)}
		m, err := parseMoment(w.At)
		r.must(at+".at", err)
		out.Origin, out.Month, out.OpensDaysEarly, out.ClosesDaysLate = m.Origin, m.month, m.early, m.late
		floats := m.Anchor == domain.AnchorSession || m.Anchor == domain.AnchorCalendar
		switch {
		case floats && w.Month == nil:
			r.wrong(at+".at", "the nominal month (month) is missing; analyses need it where a session or a date says when the wave is")
		case !floats && w.Month != nil && err == nil:
			r.wrong(at+".month", "the moment tells the month already")
		case w.Month != nil:
			out.Month = *w.Month
		}
		out.GraceDays, err = parseAmount(w.Grace, "day")
		r.must(at+".grace", err)
		r.plan.Protocol.Waves = append(r.plan.Protocol.Waves, out)
	}
}

// diaries returns the codes that each repeated diary was given.
func (r *reader) diaries() map[string][]string {
	repeated := map[string][]string{}
	for i, d := range r.file.Diaries {
		at := yamltext.Element("diaries", i)
		out := domain.DiaryBurst{Code: d.Code, Days: d.Days, Arms: d.Arms, Instruments: r.asked(at, d.Instruments)}
		s, err := parseStart(d.Starts)
		r.must(at+".starts", err)
		out.Origin, out.StartMonth, out.StartDay = s.Origin, s.months, s.days
		out.OpensHour, out.ClosesHour, err = parseHours(d.Open)
		r.must(at+".open", err)
		out.GraceHours, err = parseAmount(d.Grace, "hour")
		r.must(at+".grace", err)
		times, every := 1, 0.0
		if d.Repeat != nil {
			times, every = d.Repeat.Times, d.Repeat.EveryMonths
			if times < 2 || times > maxRepeats || !(every > 0 && every <= 1200) {
				r.wrong(at+".repeat", "%d times every %g months; expected 2 to %d times and more than 0 months", times, every, maxRepeats)
				times = 1
			}
		}
		if len(r.plan.Protocol.Diaries)+times > maxDiaries {
			r.wrong(at, "there are too many diaries; expected at most %d with all repetitions", maxDiaries)
			return repeated
		}
		for n := range times {
			one := out
			if d.Repeat != nil && times > 1 {
				one.Code = fmt.Sprintf("%s-%d", d.Code, n+1)
				one.StartMonth += float64(n) * every
				repeated[d.Code] = append(repeated[d.Code], one.Code)
			}
			r.plan.at.origin[yamltext.Element("diaries", len(r.plan.Protocol.Diaries))] = at
			r.plan.Protocol.Diaries = append(r.plan.Protocol.Diaries, one)
		}
	}
	return repeated
}

// notes gives a note at a repeated diary to each of its repetitions.
func (r *reader) notes(repeated map[string][]string) {
	for i, n := range r.file.Notes {
		put := func(n domain.NotePrompt) {
			r.plan.at.origin[yamltext.Element("notes", len(r.plan.Protocol.Notes))] = yamltext.Element("notes", i)
			r.plan.Protocol.Notes = append(r.plan.Protocol.Notes, n)
		}
		codes, ok := repeated[n.Diary]
		if !ok {
			put(n)
			continue
		}
		if len(n.Waves) > 0 {
			one := n
			one.Diary = ""
			put(one)
		}
		for k, code := range codes {
			one := n
			one.Waves, one.Diary, one.Code = nil, code, fmt.Sprintf("%s-%d", n.Code, k+1)
			put(one)
		}
	}
}

func (r *reader) reminders(repeated map[string][]string) {
	for i, m := range r.file.Reminders {
		at := yamltext.Element("reminders", i)
		out := domain.Reminder{Waves: m.Waves, Diary: m.Diary}
		var err error
		if m.Waves {
			out.AfterDays, err = parseAmount(m.After, "day")
			r.must(at+".after", err)
			out.Hour, err = parseClock(m.At)
			r.must(at+".at", err)
		} else {
			out.AfterHours, err = parseAmount(m.After, "hour")
			r.must(at+".after", err)
			if m.At != "" {
				r.wrong(at+".at", "reminders of a diary go out hours after the day opened (after); an hour of the day is for waves")
			}
		}
		out.Jitter, err = parseAmount(m.Jitter, "minute")
		r.must(at+".jitter", err)
		codes, ok := repeated[m.Diary]
		if !ok {
			codes = []string{m.Diary}
		}
		for _, code := range codes {
			one := out
			one.Diary = code
			r.plan.at.origin[yamltext.Element("reminders", len(r.plan.Protocol.Reminders))] = at
			r.plan.Protocol.Reminders = append(r.plan.Protocol.Reminders, one)
		}
	}
}

func (r *reader) compensation() {
	c := r.file.Compensation
	if c == nil {
		return
	}
	out := &domain.Compensation{Currency: c.Currency}
	var err error
	out.Wave, err = parseMoney(c.Wave)
	r.must("compensation.wave", err)
	out.DiaryDay, err = parseMoney(c.DiaryDay)
	r.must("compensation.diaryDay", err)
	r.plan.Protocol.Compensation = out
}

func (r *reader) analyses() {
	for i, a := range r.file.Analyses {
		at := yamltext.Element("analyses", i)
		m := domain.ChangeModel{Name: a.Name, Frame: a.Data, Kind: a.Kind, Outcome: a.Outcome, Exchangeable: a.Exchangeable, Time: a.Time, Fixed: a.Fixed, Random: a.Random,
			Contrasts: a.Contrasts, Predictors: a.Predictors, Reliability: a.Reliability, Pooled: a.Pooled, CompletePairs: a.Missing == "pair", Occasions: a.Waves, Method: a.Method, DF: a.DF, Level: a.Level}
		if m.Time == "" {
			m.Time = defaultTime[a.Data]
		}
		if a.Missing != "" && a.Missing != "pair" && a.Missing != "row" {
			r.wrong(at+".missing", "%q is no rule; expected row, which keeps what is complete itself, or pair, which asks it of both partners", yamltext.Clip(a.Missing))
		}
		if a.Residual != nil {
			m.ResidualVariance, m.CrossPartner, m.Serial = a.Residual.Variance, a.Residual.CrossPartner, a.Residual.Serial
		}
		r.plan.Protocol.Analyses = append(r.plan.Protocol.Analyses, m)
	}
}

var defaultTime = map[string]string{"waves": "time", "diary": "day"}

// places knows where in a file the parts of its protocol come from.
type places struct {
	origin map[string]string // element of the protocol -> element of the file, where they are not the same
}

// written are the keys of the file that stand for fields of the protocol, by the list they are in.
var written = map[string]map[string]string{
	"waves":     {"index": "", "month": "at", "opensDaysEarly": "at", "closesDaysLate": "at", "session": "at", "on": "at", "anchor": "at", "graceDays": "grace"},
	"diaries":   {"startMonth": "starts", "startDay": "starts", "session": "starts", "on": "starts", "anchor": "starts", "opensHour": "open", "closesHour": "open", "graceHours": "grace"},
	"reminders": {"hour": "at", "afterDays": "after", "afterHours": "after", "jitterMinutes": "jitter"},
	"analyses":  {"frame": "data", "completePairs": "missing", "occasions": "waves", "residualVariance": "residual.variance", "crossPartner": "residual.cross_partner", "serial": "residual.serial"},
}

// of returns the path in the file of what a refusal of the domain names.
func (p places) of(path string) string {
	switch path {
	case "study":
		return "study.code"
	case "title", "zone":
		return "study." + path
	}
	element, rest, _ := strings.Cut(path, ".")
	list, _, _ := strings.Cut(element, "[")
	if from, ok := p.origin[element]; ok {
		element = from
	}
	if rest == "" {
		return element
	}
	field, below, _ := strings.Cut(rest, ".")
	name, _, _ := strings.Cut(field, "[")
	if key, ok := written[list][name]; ok {
		if key == "" {
			return element
		}
		return element + "." + key
	}
	if below != "" {
		field += "." + below
	}
	return element + "." + field
}

// Explain turns a refusal of the domain, or several joined, into errors that name their place in the file. Any other error is returned as it is.
func (p *Plan) Explain(err error) error {
	list := yamltext.Refusals(err)
	if len(list) == 0 {
		return err
	}
	var out []error
	for _, e := range list {
		at := p.at.of(e.Path)
		message := e.Message
		if !p.doc.Has(at) && e.Path != "" {
			message = at + ": " + message
		}
		out = append(out, &domain.Error{Code: e.Code, Path: p.doc.Where(at), Message: message, Err: e.Err})
	}
	return errors.Join(out...)
}
