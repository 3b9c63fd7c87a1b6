package domain

import (
	"fmt"
	"slices"
	"time"
)

// Judge is a coder of the study, known by a code only.
type Judge struct {
	Code       string
	Retired    bool
	Acquainted []string // codes of couples that the judge knows, and so never sees
	Away       []Leave
	Standings  map[string]Standing // by scheme
}

// Leave is a stretch of days, both ends included, on which a judge gets nothing new.
type Leave struct {
	From Date `json:"from"`
	To   Date `json:"to"`
}

// Standing is how a judge stands with a coding scheme.
type Standing struct {
	Certified bool
	Until     Date // certified through this day; zero: for good
	Suspended bool
	Reason    string // of the suspension
}

// Holds reports whether a judge may get clips of a scheme on a day: for a scheme without a certification rule, unless suspended.
func (s Standing) Holds(rule *Certification, on Date) bool {
	if s.Suspended {
		return false
	}
	return rule == nil || s.Certified && (s.Until.IsZero() || !s.Until.Before(on))
}

// AwayOn reports whether the judge is on leave on a day.
func (j Judge) AwayOn(d Date) bool {
	return slices.ContainsFunc(j.Away, func(l Leave) bool { return !d.Before(l.From) && !l.To.Before(d) })
}

// Knows reports whether the judge knows a couple.
func (j Judge) Knows(couple string) bool { return slices.Contains(j.Acquainted, couple) }

// Certification says when a judge may code for a study: after rating gold clips close enough to their criterion scores.
type Certification struct {
	Clips     int     `json:"clips"`               // gold clips to rate
	WithinOne float64 `json:"withinOne,omitempty"` // least share of scores within one point of the criterion; 0: not asked for
	ICC       float64 `json:"icc,omitempty"`       // least ICC(2,1) with the criterion; 0: not asked for
	ValidDays int     `json:"validDays,omitempty"` // then it has to be renewed; 0: never
	// ProbeShare is the share of clips that are gold clips mixed in unseen, by which drift is noticed.
	ProbeShare float64 `json:"probeShare,omitempty"`
}

func (c *Certification) check(path string, k *checks) {
	if c == nil {
		return
	}
	k.that(c.Clips >= 1, path+".clips", "%d clips; expected at least one", c.Clips)
	k.that(finite(c.WithinOne) && c.WithinOne >= 0 && c.WithinOne <= 1, path+".withinOne", "the share is %v; expected 0 to 1", c.WithinOne)
	k.that(finite(c.ICC) && c.ICC >= 0 && c.ICC < 1, path+".icc", "the ICC is %v; expected 0 to below 1", c.ICC)
	k.that(c.WithinOne > 0 || c.ICC > 0, path, "it asks for nothing; expected withinOne or icc")
	k.that(c.ValidDays >= 0, path+".validDays", "a negative number of days")
	k.that(finite(c.ProbeShare) && c.ProbeShare >= 0 && c.ProbeShare <= 0.5, path+".probeShare", "the share is %v; expected 0 to 0.5", c.ProbeShare)
}

// Passes reports whether what a judge reached fulfils the rule. An ICC that could not be estimated does not.
func (c Certification) Passes(a Assessment) bool {
	return a.Clips >= c.Clips && a.WithinOne >= c.WithinOne && (c.ICC == 0 || a.ICC != nil && *a.ICC >= c.ICC)
}

// Assessment is how close a judge came to criterion scores.
type Assessment struct {
	Clips     int      `json:"clips"`
	Scores    int      `json:"scores"`
	WithinOne float64  `json:"withinOne"`     // share of scores within one point
	ICC       *float64 `json:"icc,omitempty"` // ICC(2,1) with the criterion; nil: not estimable
	Bias      float64  `json:"bias"`          // mean of judge minus criterion, in scale points
}

// CriterionScore is the score of an expert for one dimension of one unit.
type CriterionScore struct {
	Dimension string  `json:"dimension"`
	Target    Role    `json:"target,omitempty"`
	Unit      int     `json:"unit,omitempty"`
	Value     float64 `json:"value"`
}

type (
	// JudgeEnlisted: somebody codes for the study.
	JudgeEnlisted struct {
		Judge string `json:"judge"`
	}
	// JudgeRetired: a judge codes for the study no longer. The ratings stay.
	JudgeRetired struct {
		Judge string `json:"judge"`
	}
	// JudgeAcquainted: a judge knows a couple and must not see it.
	JudgeAcquainted struct {
		Judge  string `json:"judge"`
		Couple string `json:"couple"`
	}
	// JudgeOnLeave: a judge gets nothing new for a while.
	JudgeOnLeave struct {
		Judge string `json:"judge"`
		Leave Leave  `json:"leave"`
	}
	// JudgeAssessed: a judge was held against criterion scores.
	JudgeAssessed struct {
		Judge      string            `json:"judge"`
		Scheme     string            `json:"scheme"`
		Purpose    AssignmentPurpose `json:"purpose"` // gold: to be certified; probe: while coding
		Assessment Assessment        `json:"assessment"`
		Passed     bool              `json:"passed"`
		On         Date              `json:"on"`
		Until      Date              `json:"until,omitzero"` // certified through this day
	}
	// JudgeSuspended: a judge gets no clips of a scheme until reinstated by passing an assessment again.
	JudgeSuspended struct {
		Judge  string `json:"judge"`
		Scheme string `json:"scheme"`
		Reason string `json:"reason"`
	}
	// CodingSeeded: chance decides from this number who codes what, so that a plan can be made again and checked.
	CodingSeeded struct {
		Scheme string `json:"scheme"`
		Seed   uint64 `json:"seed"`
	}
)

func (JudgeEnlisted) isEvent()   {}
func (JudgeRetired) isEvent()    {}
func (JudgeAcquainted) isEvent() {}
func (JudgeOnLeave) isEvent()    {}
func (JudgeAssessed) isEvent()   {}
func (JudgeSuspended) isEvent()  {}
func (CodingSeeded) isEvent()    {}

func (s *Study) applyJudge(e Event) {
	change := func(code string, do func(*Judge)) {
		j := s.Judges[code]
		j.Code = code
		do(&j)
		set(&s.Judges, code, j)
	}
	stand := func(code, scheme string, do func(*Standing)) {
		change(code, func(j *Judge) {
			st := j.Standings[scheme]
			do(&st)
			set(&j.Standings, scheme, st)
		})
	}
	switch e := e.(type) {
	case JudgeEnlisted:
		change(e.Judge, func(j *Judge) { j.Retired = false })
	case JudgeRetired:
		change(e.Judge, func(j *Judge) { j.Retired = true })
	case JudgeAcquainted:
		change(e.Judge, func(j *Judge) { j.Acquainted = append(slices.Clone(j.Acquainted), e.Couple) })
	case JudgeOnLeave:
		change(e.Judge, func(j *Judge) { j.Away = append(slices.Clone(j.Away), e.Leave) })
	case JudgeAssessed:
		stand(e.Judge, e.Scheme, func(st *Standing) {
			if e.Passed {
				st.Suspended, st.Reason = false, ""
			}
			if e.Purpose == PurposeGold {
				st.Certified, st.Until = e.Passed, e.Until
			}
		})
	case JudgeSuspended:
		stand(e.Judge, e.Scheme, func(st *Standing) { st.Suspended, st.Reason = true, e.Reason })
	case CodingSeeded:
		set(&s.Seeds, e.Scheme, e.Seed)
	}
}

func (p Past) needJudge(code string) (Judge, error) {
	if err := p.needProtocol(); err != nil {
		return Judge{}, err
	}
	j, ok := p.Study.Judges[code]
	if !ok || j.Retired {
		return Judge{}, refuse(NotFound, "judge", "study %s has no judge %q", p.Study.Code, code)
	}
	return j, nil
}

func (p Past) needScheme(code string) (CodingScheme, error) {
	if err := p.needProtocol(); err != nil {
		return CodingScheme{}, err
	}
	s, ok := p.Study.Protocol.Scheme(code)
	if !ok {
		return CodingScheme{}, refuse(NotFound, "scheme", "the protocol has no coding scheme %q", code)
	}
	return s, nil
}

// needClip finds a clip of the couple and the scheme by which it is rated.
func (p Past) needClip(scheme, code string) (CodingScheme, clip, error) {
	if err := p.needCouple(); err != nil {
		return CodingScheme{}, clip{}, err
	}
	s, err := p.needScheme(scheme)
	if err != nil {
		return CodingScheme{}, clip{}, err
	}
	cut, ok := p.Couple.clips[code]
	if !ok {
		return CodingScheme{}, clip{}, refuse(NotFound, "clip", "there is no clip %q", code)
	}
	return s, cut, nil
}

// EnlistJudge lets somebody code for the study.
type EnlistJudge struct{ Study, Judge string }

func (c EnlistJudge) Target() Target { return Target{Study: c.Study} }

func (c EnlistJudge) decide(p Past) ([]Event, error) {
	if err := p.needProtocol(); err != nil {
		return nil, err
	}
	if err := CheckCode("judge", c.Judge); err != nil {
		return nil, err
	}
	if j, ok := p.Study.Judges[c.Judge]; ok && !j.Retired {
		return nil, nil
	}
	return []Event{JudgeEnlisted{c.Judge}}, nil
}

// RetireJudge ends that somebody codes for the study.
type RetireJudge struct{ Study, Judge string }

func (c RetireJudge) Target() Target { return Target{Study: c.Study} }

func (c RetireJudge) decide(p Past) ([]Event, error) {
	if _, err := p.needJudge(c.Judge); err != nil {
		return nil, err
	}
	return []Event{JudgeRetired{c.Judge}}, nil
}

// AcquaintJudge records that a judge knows a couple.
type AcquaintJudge struct{ Study, Judge, Couple string }

func (c AcquaintJudge) Target() Target { return Target{Study: c.Study} }

func (c AcquaintJudge) decide(p Past) ([]Event, error) {
	j, err := p.needJudge(c.Judge)
	if err != nil || j.Knows(c.Couple) {
		return nil, err
	}
	if err := CheckCode("couple", c.Couple); err != nil {
		return nil, err
	}
	return []Event{JudgeAcquainted{c.Judge, c.Couple}}, nil
}

// SendJudgeOnLeave gives a judge nothing new for a while.
type SendJudgeOnLeave struct {
	Study, Judge string
	Leave        Leave
}

func (c SendJudgeOnLeave) Target() Target { return Target{Study: c.Study} }

func (c SendJudgeOnLeave) decide(p Past) ([]Event, error) {
	j, err := p.needJudge(c.Judge)
	switch {
	case err != nil:
		return nil, err
	case c.Leave.From.IsZero() || c.Leave.To.Before(c.Leave.From):
		return nil, refuse(Invalid, "leave", "the leave runs from %s to %s; expected a first day and one that is not before it", c.Leave.From, c.Leave.To)
	case slices.Contains(j.Away, c.Leave):
		return nil, nil
	}
	return []Event{JudgeOnLeave{c.Judge, c.Leave}}, nil
}

// AssessJudge records how close a judge came to criterion scores, and what follows by the scheme's rule: certified, not certified, or, where a probe
// shows drift, suspended.
type AssessJudge struct {
	Study, Judge, Scheme string
	Purpose              AssignmentPurpose
	Assessment           Assessment
	On                   Date
}

func (c AssessJudge) Target() Target { return Target{Study: c.Study} }

func (c AssessJudge) decide(p Past) ([]Event, error) {
	if _, err := p.needJudge(c.Judge); err != nil {
		return nil, err
	}
	s, err := p.needScheme(c.Scheme)
	if err != nil {
		return nil, err
	}
	a := c.Assessment
	var k checks
	k.that(s.Certification != nil, "scheme", "scheme %s certifies nobody", c.Scheme)
	k.that(c.Purpose == PurposeGold || c.Purpose == PurposeProbe, "purpose", "%q is no assessment; expected %s or %s", c.Purpose, PurposeGold, PurposeProbe)
	k.that(a.Clips >= 1 && a.Scores >= 1 && finite(a.WithinOne) && a.WithinOne >= 0 && a.WithinOne <= 1 && finite(a.Bias), "assessment", "the numbers cannot be those of an assessment")
	k.that(a.ICC == nil || finite(*a.ICC) && *a.ICC <= 1, "assessment.icc", "the ICC is not a number up to 1")
	k.that(!c.On.IsZero(), "on", "the day is missing")
	if err := k.err(); err != nil {
		return nil, err
	}
	rule := *s.Certification
	if c.Purpose == PurposeProbe {
		rule.Clips = 1
	}
	e := JudgeAssessed{Judge: c.Judge, Scheme: c.Scheme, Purpose: c.Purpose, Assessment: a, Passed: rule.Passes(a), On: c.On}
	if e.Passed && c.Purpose == PurposeGold && rule.ValidDays > 0 {
		e.Until = c.On.AddDays(rule.ValidDays)
	}
	list := []Event{e}
	if !e.Passed && c.Purpose == PurposeProbe && !p.Study.Judges[c.Judge].Standings[c.Scheme].Suspended {
		list = append(list, JudgeSuspended{c.Judge, c.Scheme, "drift"})
	}
	return list, nil
}

// SuspendJudge gives a judge no more clips of a scheme.
type SuspendJudge struct{ Study, Judge, Scheme, Reason string }

func (c SuspendJudge) Target() Target { return Target{Study: c.Study} }

func (c SuspendJudge) decide(p Past) ([]Event, error) {
	j, err := p.needJudge(c.Judge)
	if err != nil {
		return nil, err
	}
	if _, err := p.needScheme(c.Scheme); err != nil {
		return nil, err
	}
	if c.Reason == "" || len(c.Reason) > 500 {
		return nil, refuse(Invalid, "reason", "a suspension needs a reason of at most 500 bytes")
	}
	if j.Standings[c.Scheme].Suspended {
		return nil, nil
	}
	return []Event{JudgeSuspended{c.Judge, c.Scheme, c.Reason}}, nil
}

// SeedCoding fixes the number from which chance decides who codes what, once for a scheme.
type SeedCoding struct {
	Study, Scheme string
	Seed          uint64
}

func (c SeedCoding) Target() Target { return Target{Study: c.Study} }

func (c SeedCoding) decide(p Past) ([]Event, error) {
	if _, err := p.needScheme(c.Scheme); err != nil {
		return nil, err
	}
	if old, ok := p.Study.Seeds[c.Scheme]; ok {
		if old == c.Seed {
			return nil, nil
		}
		return nil, refuse(Conflict, "seed", "the seed of scheme %s is fixed", c.Scheme)
	}
	return []Event{CodingSeeded{c.Scheme, c.Seed}}, nil
}

// CriterionSet: an expert's scores of a clip, by which judges are measured. The clip is a gold clip from now on; a later set replaces an earlier one.
type CriterionSet struct {
	Clip   string           `json:"clip"`
	Scheme string           `json:"scheme"`
	Scores []CriterionScore `json:"scores"`
}

func (CriterionSet) isEvent() {}

// SetCriterion makes a clip a gold clip of a scheme.
type SetCriterion struct {
	Study, Couple, Clip, Scheme string
	Scores                      []CriterionScore
}

func (c SetCriterion) Target() Target { return Target{c.Study, c.Couple} }

func (c SetCriterion) decide(p Past) ([]Event, error) {
	s, cut, err := p.needClip(c.Scheme, c.Clip)
	if err != nil {
		return nil, err
	}
	var k checks
	k.that(s.Unit == UnitClip || s.Unit == UnitInterval, "scheme", "gold clips are for schemes that rate whole clips or intervals, and scheme %s rates by %s", c.Scheme, s.Unit)
	k.that(len(c.Scores) > 0, "scores", "there are no scores")
	seen := map[CriterionScore]bool{}
	for i, sc := range c.Scores {
		path := fmt.Sprintf("scores[%d]", i)
		k.add(p.checkPlace(s, cut, path, sc.Dimension, sc.Target, sc.Unit))
		if d, ok := s.Dimension(sc.Dimension); ok {
			k.add(d.checkValue(sc.Value))
		}
		place := sc
		place.Value = 0
		k.that(!seen[place], path, "the same place is scored twice")
		seen[place] = true
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	if slices.Equal(p.Couple.criteria[criterionKey{c.Clip, c.Scheme}], c.Scores) {
		return nil, nil
	}
	return []Event{CriterionSet{c.Clip, c.Scheme, c.Scores}}, nil
}

type criterionKey struct{ clip, scheme string }

// Criterion returns the criterion scores of a clip; none where it is no gold clip.
func (c *Couple) Criterion(clip, scheme string) []CriterionScore {
	return c.criteria[criterionKey{clip, scheme}]
}

// checkPlace refuses a dimension, target or unit that a scheme does not rate in a clip.
func (p Past) checkPlace(s CodingScheme, cut clip, path, dimension string, target Role, unit int) error {
	var k checks
	_, ok := s.Dimension(dimension)
	k.that(ok, path+".dimension", "scheme %s has no dimension %q", s.Code, dimension)
	_, isRole := p.Couple.Participant(target)
	switch s.Directed {
	case DirectedPerson:
		k.that(isRole, path+".target", "scheme %s rates a person, and %q is nobody's role", s.Code, target)
	case DirectedDyad:
		k.that(target == "", path+".target", "scheme %s rates the dyad; no role was expected", s.Code)
	}
	switch s.Unit {
	case UnitClip, UnitContinuous:
		k.that(unit == 0, path+".unit", "unit %d does not fit a scheme that rates by %s", unit, s.Unit)
	case UnitInterval:
		n := s.Units(cut.endMs - cut.startMs)
		k.that(unit >= 1 && unit <= n, path+".unit", "there is no interval %d; expected 1 to %d", unit, n)
	default:
		k.that(unit >= 1, path+".unit", "unit %d does not fit a scheme that rates by %s; expected 1 or more", unit, s.Unit)
	}
	return k.err()
}

// IntervalLength is the length of an interval unless a scheme says otherwise.
const IntervalLength = 30 * time.Second

// Units returns how many intervals a clip of a length in ms has; the last may be shorter.
func (s CodingScheme) Units(ms int) int {
	every := s.IntervalSeconds * 1000
	if every == 0 {
		every = int(IntervalLength / time.Millisecond)
	}
	return (ms + every - 1) / every
}
