package studyfile

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"asem/domain"
)

// Print writes a study as a file from which Read makes the same plan. A protocol that a file cannot express is an error.
func Print(s *domain.Study) ([]byte, error) {
	f := fileOf(s)
	text := encode(f)
	var head strings.Builder
	fmt.Fprintf(&head, "# Study %s, version %d of its protocol.\n", s.Code, s.Protocol.Version)
	if sum := s.Protocol.AnalysisHash(); sum != "" {
		fmt.Fprintf(&head, "# Plan of analysis: sha256 %s\n", sum)
	}
	text = append([]byte(head.String()), text...)
	back, err := Read("the printed protocol", text, Context{})
	if err != nil {
		return nil, fmt.Errorf("print study %s: %w", s.Code, err)
	}
	back.Protocol.Version = s.Protocol.Version
	if !sameProtocol(back.Protocol, s.Protocol) {
		return nil, fmt.Errorf("print study %s: its protocol has something that a file cannot say", s.Code)
	}
	return text, nil
}

// sameProtocol compares what protocols say: an empty list is none.
func sameProtocol(a, b domain.Protocol) bool {
	return bytes.Equal(encode(fileOf(&domain.Study{Protocol: a})), encode(fileOf(&domain.Study{Protocol: b})))
}

// fileOf is the way back of Read. Diaries that a repetition made stand one by one.
func fileOf(s *domain.Study) file {
	p := s.Protocol
	f := file{Study: studyPart{s.Code, s.Title, s.Zone}, Languages: p.Languages, Roles: p.Roles, Exchangeable: p.Exchangeable, AfterSeparation: p.AfterSeparation,
		Sites: p.Sites, Consents: p.Consents, Constructs: p.Constructs, Showings: p.Showings, Notes: p.Notes, Tasks: p.Tasks, Schemes: p.Schemes,
		Arms: p.Arms, Randomise: p.Randomise, ChangeEvents: p.ChangeEvents}
	if p.TimeUnitMonths != 1 {
		f.TimeUnitMonths = &p.TimeUnitMonths
	}
	var used []domain.InstrumentRef
	names := func(refs []domain.InstrumentRef) (list []string) {
		for _, ref := range refs {
			if !slices.Contains(used, ref) {
				used = append(used, ref)
			}
			list = append(list, ref.String())
		}
		return list
	}
	for _, w := range p.Waves {
		m := moment{w.Origin, w.Month, w.OpensDaysEarly, w.ClosesDaysLate}
		out := wave{Label: w.Label, At: m.String(), Grace: amountText(w.GraceDays, "day"), Instruments: names(w.Instruments), Arms: w.Arms}
		if w.Anchor == domain.AnchorSession || w.Anchor == domain.AnchorCalendar {
			out.Month = &w.Month
		}
		f.Waves = append(f.Waves, out)
	}
	for _, d := range p.Diaries {
		f.Diaries = append(f.Diaries, diary{Code: d.Code, Starts: start{d.Origin, d.StartMonth, d.StartDay}.String(), Days: d.Days, Open: hoursText(d.OpensHour, d.ClosesHour),
			Grace: amountText(d.GraceHours, "hour"), Instruments: names(d.Instruments), Arms: d.Arms})
	}
	for _, sh := range p.Showings { // of an instrument that nobody is asked any more
		if !slices.ContainsFunc(used, func(ref domain.InstrumentRef) bool { return ref.Code == sh.Instrument }) {
			used = append(used, refsOf(s, sh.Instrument)...)
		}
	}
	for _, ref := range used {
		in, known := s.Instruments[ref]
		if shipped, ok := domain.Key(ref.Code, ref.Version); !known || ok && reflect.DeepEqual(shipped, in) {
			f.Instruments = append(f.Instruments, ref.String())
		} else {
			f.OwnInstruments = append(f.OwnInstruments, in)
		}
	}
	for _, r := range p.Reminders {
		out := reminder{Waves: r.Waves, Diary: r.Diary, Jitter: amountText(r.Jitter, "minute")}
		if r.Waves {
			out.After, out.At = amountText(r.AfterDays, "day"), fmt.Sprintf("%02d:00", r.Hour)
		} else {
			out.After = amountText(r.AfterHours, "hour")
		}
		f.Reminders = append(f.Reminders, out)
	}
	if c := p.Compensation; c != nil {
		f.Compensation = &compensation{c.Currency, moneyText(c.Wave), moneyText(c.DiaryDay)}
	}
	for _, m := range p.Analyses {
		f.Analyses = append(f.Analyses, analysisOf(m))
	}
	return f
}

// refsOf lists the versions of an instrument that a study has, in order.
func refsOf(s *domain.Study, code string) (list []domain.InstrumentRef) {
	for ref := range s.Instruments {
		if ref.Code == code {
			list = append(list, ref)
		}
	}
	slices.SortFunc(list, func(a, b domain.InstrumentRef) int { return strings.Compare(a.Version, b.Version) })
	return list
}

func analysisOf(m domain.ChangeModel) analysis {
	a := analysis{Name: m.Name, Data: m.Frame, Kind: m.Kind, Outcome: m.Outcome, Exchangeable: m.Exchangeable, Fixed: m.Fixed, Random: m.Random, Contrasts: m.Contrasts,
		Predictors: m.Predictors, Reliability: m.Reliability, Pooled: m.Pooled, Waves: m.Occasions, Method: m.Method, DF: m.DF, Level: m.Level}
	if m.Time != defaultTime[m.Frame] {
		a.Time = m.Time
	}
	if m.CompletePairs {
		a.Missing = "pair"
	}
	if r := (residual{m.ResidualVariance, m.CrossPartner, m.Serial}); r != (residual{}) {
		a.Residual = &r
	}
	return a
}
