package domain

import (
	"fmt"
	"slices"
	"time"
)

// AssignmentPurpose says what a judge's look at a clip is for. Only ratings for the study are data of the couple; the others tell of the judge.
type AssignmentPurpose string

// The purposes. A probe is a gold clip mixed in unseen among others.
const (
	PurposeStudy AssignmentPurpose = "study"
	PurposeGold  AssignmentPurpose = "gold"
	PurposeProbe AssignmentPurpose = "probe"
)

// Assignment is a clip that a judge is to rate.
type Assignment struct {
	ID        string // says nothing of the clip
	Clip      string
	Scheme    string
	Judge     string
	Place     int  // in the judge's own random order, from 1
	Mirrored  bool // the partner shown or named first is role B
	Purpose   AssignmentPurpose
	Claimed   time.Time // zero: not begun
	Submitted time.Time // zero: not yet; then locked
	Ended     bool      // returned or retracted
}

type (
	// AssignmentMade: a judge is to rate a clip.
	AssignmentMade struct {
		Assignment string            `json:"assignment"` // UUID
		Clip       string            `json:"clip"`
		Scheme     string            `json:"scheme"`
		Judge      string            `json:"judge"`
		Place      int               `json:"place"`
		Mirrored   bool              `json:"mirrored,omitempty"`
		Purpose    AssignmentPurpose `json:"purpose"`
	}
	// AssignmentClaimed: the judge began.
	AssignmentClaimed struct {
		Assignment string    `json:"assignment"`
		At         time.Time `json:"at"`
	}
	// AssignmentReturned: the judge does not rate it after all; another will.
	AssignmentReturned struct {
		Assignment string `json:"assignment"`
		Reason     string `json:"reason"` // one of the reasons below
	}
	// AssignmentRetracted: staff, or the end of a consent, took it back.
	AssignmentRetracted struct {
		Assignment string `json:"assignment"`
		Reason     string `json:"reason"`
	}
	// TraceRecorded: a judge followed one dimension through a clip.
	TraceRecorded struct {
		Clip       string    `json:"clip"`
		Judge      string    `json:"judge"`
		Scheme     string    `json:"scheme"`
		Dimension  string    `json:"dimension"`
		Target     Role      `json:"target,omitempty"`
		Assignment string    `json:"assignment"`
		EveryMs    int       `json:"everyMs"` // one value for every so many ms from the clip's beginning
		Values     []float64 `json:"values"`
		RatedAt    time.Time `json:"ratedAt"` // UTC
	}
	// RatingsSubmitted: the judge is done with an assignment. It is locked: what was wrong is corrected with a reason, beside the original.
	RatingsSubmitted struct {
		Assignment string    `json:"assignment"`
		Omitted    []Omitted `json:"omitted,omitempty"`
		Comment    string    `json:"comment,omitempty"`
		At         time.Time `json:"at"` // UTC
	}
	// RatingCorrected: a submitted rating was wrong. The original stays in the log.
	RatingCorrected struct {
		Clip       string  `json:"clip"`
		Judge      string  `json:"judge"`
		Scheme     string  `json:"scheme"`
		Dimension  string  `json:"dimension"`
		Target     Role    `json:"target,omitempty"`
		Unit       int     `json:"unit,omitempty"`
		Assignment string  `json:"assignment,omitempty"`
		Value      float64 `json:"value"`
		Reason     string  `json:"reason"`
	}
	// RatingAdjudicated: a third person, having seen what the judges gave and why, settled on a value. The judges' ratings stay.
	RatingAdjudicated struct {
		Clip      string  `json:"clip"`
		Scheme    string  `json:"scheme"`
		Dimension string  `json:"dimension"`
		Target    Role    `json:"target,omitempty"`
		Unit      int     `json:"unit,omitempty"`
		Value     float64 `json:"value"`
		Reason    string  `json:"reason"`
	}
)

// Omitted is what a judge could not rate.
type Omitted struct {
	Dimension string `json:"dimension"`
	Target    Role   `json:"target,omitempty"`
	Unit      int    `json:"unit,omitempty"`
	Reason    string `json:"reason"` // "not_visible", "not_audible", "off_task", "other"
}

// Why something was returned or omitted.
var (
	returnReasons = []string{"knows_couple", "technical", "distressing", "other"}
	omitReasons   = []string{"not_visible", "not_audible", "off_task", "other"}
)

// ReturnReasons and OmitReasons list the words for why a clip was given back, or something in it not rated.
func ReturnReasons() []string { return slices.Clone(returnReasons) }

// OmitReasons lists the words for why something was not rated.
func OmitReasons() []string { return slices.Clone(omitReasons) }

func (AssignmentMade) isEvent()      {}
func (AssignmentClaimed) isEvent()   {}
func (AssignmentReturned) isEvent()  {}
func (AssignmentRetracted) isEvent() {}
func (TraceRecorded) isEvent()       {}
func (RatingsSubmitted) isEvent()    {}
func (RatingCorrected) isEvent()     {}
func (RatingAdjudicated) isEvent()   {}

func (c *Couple) applyAssignment(e Event) {
	change := func(id string, do func(*Assignment)) {
		if a, ok := c.assignments[id]; ok {
			do(&a)
			c.assignments[id] = a
		}
	}
	switch e := e.(type) {
	case AssignmentMade:
		set(&c.assignments, e.Assignment, Assignment{ID: e.Assignment, Clip: e.Clip, Scheme: e.Scheme, Judge: e.Judge, Place: e.Place, Mirrored: e.Mirrored, Purpose: e.Purpose})
	case AssignmentClaimed:
		change(e.Assignment, func(a *Assignment) { a.Claimed = e.At })
	case AssignmentReturned:
		change(e.Assignment, func(a *Assignment) { a.Ended = true })
	case AssignmentRetracted:
		change(e.Assignment, func(a *Assignment) { a.Ended = true })
	case RatingsSubmitted:
		change(e.Assignment, func(a *Assignment) { a.Submitted = e.At })
	case RatingCorrected:
		set(&c.ratings, ratingKey{e.Clip, e.Judge, e.Scheme, e.Dimension, e.Target, e.Unit, e.Assignment}, e.Value)
	case RatingAdjudicated:
		set(&c.adjudicated, ratingKey{e.Clip, "", e.Scheme, e.Dimension, e.Target, e.Unit, ""}, e.Value)
	case CriterionSet:
		set(&c.criteria, criterionKey{e.Clip, e.Scheme}, e.Scores)
	}
}

// Mean returns the mean of a trace over time.
func (e TraceRecorded) Mean() float64 {
	sum := 0.0
	for _, v := range e.Values {
		sum += v
	}
	return sum / float64(len(e.Values))
}

// Assignments lists the assignments of the couple's clips, by their ids.
func (c *Couple) Assignments() []Assignment {
	list := make([]Assignment, 0, len(c.assignments))
	for _, a := range c.assignments {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Assignment) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// Assignment returns one assignment.
func (c *Couple) Assignment(id string) (Assignment, bool) {
	a, ok := c.assignments[id]
	return a, ok
}

// Revealed reports whether what the judges gave to a clip may be seen by others: every assignment of the scheme for the study that was not given back was submitted.
func (c *Couple) Revealed(clip, scheme string) bool {
	for _, a := range c.assignments {
		if a.Clip == clip && a.Scheme == scheme && a.Purpose == PurposeStudy && !a.Ended && a.Submitted.IsZero() {
			return false
		}
	}
	return true
}

// MakeAssignment gives a judge a clip to rate, as a plan says; see [PlanCoding].
type MakeAssignment struct {
	Study, Couple string
	Assignment    string
	Clip          string
	Scheme        string
	Judge         string
	Place         int
	Mirrored      bool
	Purpose       AssignmentPurpose
	On            Date
}

func (c MakeAssignment) Target() Target { return Target{c.Study, c.Couple} }

func (c MakeAssignment) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	j, err := p.needJudge(c.Judge)
	if err != nil {
		return nil, err
	}
	s, err := p.needScheme(c.Scheme)
	if err != nil {
		return nil, err
	}
	if _, ok := p.Couple.clips[c.Clip]; !ok {
		return nil, refuse(NotFound, "clip", "there is no clip %q", c.Clip)
	}
	if old, ok := p.Couple.assignments[c.Assignment]; ok {
		if old.Clip == c.Clip && old.Judge == c.Judge && old.Scheme == c.Scheme {
			return nil, nil
		}
		return nil, refuse(Conflict, "assignment", "the assignment was made before, of something else")
	}
	var k checks
	k.add(CheckCode("assignment", c.Assignment))
	k.that(c.Place >= 1, "place", "place %d; expected 1 or more", c.Place)
	gold := len(p.Couple.criteria[criterionKey{c.Clip, c.Scheme}]) > 0
	switch c.Purpose {
	case PurposeStudy:
		k.that(j.Standings[c.Scheme].Holds(s.Certification, c.On), "judge", "judge %s is not certified for scheme %s, or suspended", c.Judge, c.Scheme)
		for _, a := range p.Couple.assignments {
			k.that(a.Clip != c.Clip || a.Scheme != c.Scheme || a.Judge != c.Judge || a.Purpose != PurposeStudy || a.Ended, "judge", "judge %s has the clip already", c.Judge)
		}
	case PurposeGold, PurposeProbe:
		k.that(gold, "clip", "clip %s is no gold clip of scheme %s", c.Clip, c.Scheme)
	default:
		k.that(false, "purpose", "%q is not a purpose; expected %s, %s or %s", c.Purpose, PurposeStudy, PurposeGold, PurposeProbe)
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	if j.Knows(c.Couple) {
		return nil, refuse(Conflict, "judge", "the judge knows the couple")
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{AssignmentMade{c.Assignment, c.Clip, c.Scheme, c.Judge, c.Place, c.Mirrored, c.Purpose}}, nil
}

// open finds an assignment that a judge has and is not done with.
func (p Past) openAssignment(id, judge string) (Assignment, error) {
	if err := p.needCouple(); err != nil {
		return Assignment{}, err
	}
	a, ok := p.Couple.assignments[id]
	switch {
	case !ok || a.Judge != judge:
		return Assignment{}, refuse(NotFound, "assignment", "there is no such assignment")
	case a.Ended:
		return Assignment{}, refuse(Conflict, "assignment", "the clip was given back, or taken back")
	case !a.Submitted.IsZero():
		return Assignment{}, refuse(Conflict, "assignment", "the ratings were submitted and are locked")
	}
	return a, nil
}

// ClaimAssignment records that a judge begins.
type ClaimAssignment struct {
	Study, Couple, Assignment, Judge string
	At                               time.Time
}

func (c ClaimAssignment) Target() Target { return Target{c.Study, c.Couple} }

func (c ClaimAssignment) decide(p Past) ([]Event, error) {
	a, err := p.openAssignment(c.Assignment, c.Judge)
	if err != nil || !a.Claimed.IsZero() {
		return nil, err
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{AssignmentClaimed{c.Assignment, c.At.UTC()}}, nil
}

// ReturnAssignment records that a judge gives a clip back.
type ReturnAssignment struct{ Study, Couple, Assignment, Judge, Reason string }

func (c ReturnAssignment) Target() Target { return Target{c.Study, c.Couple} }

func (c ReturnAssignment) decide(p Past) ([]Event, error) {
	if _, err := p.openAssignment(c.Assignment, c.Judge); err != nil {
		return nil, err
	}
	if !slices.Contains(returnReasons, c.Reason) {
		return nil, refuse(Invalid, "reason", "%q is not a reason; expected one of %v", c.Reason, returnReasons)
	}
	return []Event{AssignmentReturned{c.Assignment, c.Reason}}, nil
}

// RetractAssignment takes a clip back from a judge who has not submitted.
type RetractAssignment struct{ Study, Couple, Assignment, Reason string }

func (c RetractAssignment) Target() Target { return Target{c.Study, c.Couple} }

func (c RetractAssignment) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	a, ok := p.Couple.assignments[c.Assignment]
	switch {
	case !ok:
		return nil, refuse(NotFound, "assignment", "there is no such assignment")
	case a.Ended:
		return nil, nil
	case !a.Submitted.IsZero():
		return nil, refuse(Conflict, "assignment", "the ratings were submitted and are locked")
	case c.Reason == "" || len(c.Reason) > 500:
		return nil, refuse(Invalid, "reason", "it needs a reason of at most 500 bytes")
	}
	return []Event{AssignmentRetracted{c.Assignment, c.Reason}}, nil
}

// NewRating is what a judge gives to one dimension of one unit.
type NewRating struct {
	Dimension      string
	Rated          Role // whose behaviour; empty: the dyad
	Unit           int
	StartMs, EndMs int // of an event or turn, from the clip's beginning
	Value          float64
}

// NewTrace is one dimension followed through a clip.
type NewTrace struct {
	Dimension string
	Rated     Role
	Values    []float64 // one for every sample of the scheme
}

// SubmitRatings sends everything that a judge gave to a clip, at once, and locks it. What was not rated is named among the omitted.
type SubmitRatings struct {
	Study, Couple, Assignment, Judge string
	Ratings                          []NewRating
	Traces                           []NewTrace
	Omitted                          []Omitted
	Comment                          string
	At                               time.Time
}

func (c SubmitRatings) Target() Target { return Target{c.Study, c.Couple} }

// maxComment bounds a judge's comment on a clip, in bytes.
const maxComment = 4000

func (c SubmitRatings) decide(p Past) ([]Event, error) {
	a, err := p.openAssignment(c.Assignment, c.Judge)
	if err != nil {
		return nil, err
	}
	s, err := p.needScheme(a.Scheme)
	if err != nil {
		return nil, err
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	cut := p.Couple.clips[a.Clip]
	var k checks
	k.that(len(c.Comment) <= maxComment, "comment", "the comment has %d bytes; at most %d are taken", len(c.Comment), maxComment)
	type place struct {
		dimension string
		target    Role
		unit      int
	}
	seen := map[place]bool{}
	at := func(path string, x place) bool {
		if err := p.checkPlace(s, cut, path, x.dimension, x.target, x.unit); err != nil {
			k.add(err)
			return false
		}
		k.that(!seen[x], path, "the same place is rated twice")
		seen[x] = true
		return true
	}
	var list []Event
	for i, r := range c.Ratings {
		path := fmt.Sprintf("ratings[%d]", i)
		k.that(s.Unit != UnitContinuous, path, "scheme %s takes traces", s.Code)
		if !at(path, place{r.Dimension, r.Rated, r.Unit}) {
			continue
		}
		d, _ := s.Dimension(r.Dimension)
		k.add(d.checkValue(r.Value))
		timed := s.Unit == UnitEvent || s.Unit == UnitTurn
		k.that(!timed || 0 <= r.StartMs && r.StartMs <= r.EndMs && r.EndMs <= cut.endMs-cut.startMs, path, "it runs from %d to %d ms; expected a stretch within 0 to %d", r.StartMs, r.EndMs, cut.endMs-cut.startMs)
		k.that(timed || r.StartMs == 0 && r.EndMs == 0, path, "scheme %s rates by %s; no times were expected", s.Code, s.Unit)
		list = append(list, RatingRecorded{Clip: a.Clip, Judge: c.Judge, Scheme: a.Scheme, Dimension: r.Dimension, Target: r.Rated, Unit: r.Unit, Value: r.Value, RatedAt: c.At.UTC(),
			StartMs: r.StartMs, EndMs: r.EndMs, Assignment: a.ID, Purpose: a.Purpose.unlessStudy()})
	}
	for i, t := range c.Traces {
		path := fmt.Sprintf("traces[%d]", i)
		k.that(s.Unit == UnitContinuous, path, "scheme %s takes no traces", s.Code)
		if !at(path, place{t.Dimension, t.Rated, 0}) || s.Unit != UnitContinuous {
			continue
		}
		want := (cut.endMs - cut.startMs + s.SampleMs - 1) / s.SampleMs
		k.that(len(t.Values) == want, path+".values", "there are %d values; a clip of %d ms has %d", len(t.Values), cut.endMs-cut.startMs, want)
		d, _ := s.Dimension(t.Dimension)
		for n, v := range t.Values {
			if !finite(v) || v < d.Min || v > d.Max {
				k.that(false, fmt.Sprintf("%s.values[%d]", path, n), "%v is out of range for %s; expected %v to %v", v, d.Code, d.Min, d.Max)
				break
			}
		}
		list = append(list, TraceRecorded{a.Clip, c.Judge, a.Scheme, t.Dimension, t.Rated, a.ID, s.SampleMs, t.Values, c.At.UTC()})
	}
	for i, o := range c.Omitted {
		path := fmt.Sprintf("omitted[%d]", i)
		at(path, place{o.Dimension, o.Target, o.Unit})
		k.that(slices.Contains(omitReasons, o.Reason), path+".reason", "%q is not a reason; expected one of %v", o.Reason, omitReasons)
	}
	if s.Unit != UnitEvent && s.Unit != UnitTurn {
		targets, units := []Role{""}, []int{0}
		if s.Directed == DirectedPerson {
			targets = nil
			for _, who := range p.Couple.Participants {
				targets = append(targets, who.Role)
			}
		}
		if s.Unit == UnitInterval {
			units = nil
			for u := range s.Units(cut.endMs - cut.startMs) {
				units = append(units, u+1)
			}
		}
		missing := 0
		for _, d := range s.Dimensions {
			for _, t := range targets {
				for _, u := range units {
					if !seen[place{d.Code, t, u}] {
						missing++
					}
				}
			}
		}
		k.that(missing == 0, "ratings", "%d places are neither rated nor omitted", missing)
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	return append(list, RatingsSubmitted{a.ID, c.Omitted, c.Comment, c.At.UTC()}), nil
}

// unlessStudy is how a rating says what it was for: nothing where it is data of the couple.
func (p AssignmentPurpose) unlessStudy() AssignmentPurpose {
	if p == PurposeStudy {
		return ""
	}
	return p
}

// CorrectRating replaces a rating that was submitted.
type CorrectRating struct {
	Study, Couple                  string
	Clip, Judge, Scheme, Dimension string
	Rated                          Role
	Unit                           int
	Assignment                     string // of which the rating is; empty: of none
	Value                          float64
	Reason                         string
}

func (c CorrectRating) Target() Target { return Target{c.Study, c.Couple} }

func (c CorrectRating) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	s, err := p.needScheme(c.Scheme)
	if err != nil {
		return nil, err
	}
	old, ok := p.Couple.ratings[ratingKey{c.Clip, c.Judge, c.Scheme, c.Dimension, c.Rated, c.Unit, c.Assignment}]
	if !ok {
		return nil, refuse(NotFound, "rating", "there is no such rating")
	}
	d, _ := s.Dimension(c.Dimension)
	var k checks
	k.add(d.checkValue(c.Value))
	k.that(c.Reason != "" && len(c.Reason) <= 500, "reason", "a correction needs a reason of at most 500 bytes")
	if err := k.err(); err != nil {
		return nil, err
	}
	if old == c.Value {
		return nil, nil
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{RatingCorrected{c.Clip, c.Judge, c.Scheme, c.Dimension, c.Rated, c.Unit, c.Assignment, c.Value, c.Reason}}, nil
}

// AdjudicateRating settles on a value where judges differ, once all of them have submitted.
type AdjudicateRating struct {
	Study, Couple           string
	Clip, Scheme, Dimension string
	Rated                   Role
	Unit                    int
	Value                   float64
	Reason                  string
}

func (c AdjudicateRating) Target() Target { return Target{c.Study, c.Couple} }

func (c AdjudicateRating) decide(p Past) ([]Event, error) {
	s, cut, err := p.needClip(c.Scheme, c.Clip)
	if err != nil {
		return nil, err
	}
	var k checks
	k.add(p.checkPlace(s, cut, "rating", c.Dimension, c.Rated, c.Unit))
	d, _ := s.Dimension(c.Dimension)
	k.add(d.checkValue(c.Value))
	k.that(c.Reason != "" && len(c.Reason) <= 500, "reason", "it needs a reason of at most 500 bytes")
	if err := k.err(); err != nil {
		return nil, err
	}
	if !p.Couple.Revealed(c.Clip, c.Scheme) {
		return nil, refuse(Conflict, "clip", "not all judges have submitted")
	}
	key := ratingKey{c.Clip, "", c.Scheme, c.Dimension, c.Rated, c.Unit, ""}
	if old, ok := p.Couple.adjudicated[key]; ok && old == c.Value {
		return nil, nil
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{RatingAdjudicated{c.Clip, c.Scheme, c.Dimension, c.Rated, c.Unit, c.Value, c.Reason}}, nil
}
