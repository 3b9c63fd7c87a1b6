package domain

import (
	"fmt"
	"time"
)

// CodingScheme says what judges rate and how.
type CodingScheme struct {
	Code            string      `json:"code"`
	Title           string      `json:"title"`
	Unit            CodingUnit  `json:"unit"`
	IntervalSeconds int         `json:"intervalSeconds,omitempty"` // UnitInterval: its length; 0 means 30
	Directed        Direction   `json:"directed"`
	Dimensions      []Dimension `json:"dimensions"`
	JudgesPerClip   int         `json:"judgesPerClip"`

	SampleMs      int            `json:"sampleMs,omitempty"`      // UnitContinuous: time between two values of a trace
	Overlap       float64        `json:"overlap,omitempty"`       // share of clips that get JudgesPerClip judges, the others one; 0 means all
	Certification *Certification `json:"certification,omitempty"` // nil: everybody may code
}

// CodingUnit is the stretch of an interaction that gets one rating.
type CodingUnit string

// The units.
const (
	UnitClip       CodingUnit = "clip"
	UnitInterval   CodingUnit = "interval"
	UnitEvent      CodingUnit = "event"
	UnitTurn       CodingUnit = "turn"
	UnitContinuous CodingUnit = "continuous"
)

// Direction says whom a rating is about.
type Direction string

// A rating is about one partner's behaviour toward the other, or about both together.
const (
	DirectedPerson Direction = "person"
	DirectedDyad   Direction = "dyad"
)

// Dimension is one thing that judges rate.
type Dimension struct {
	Code    string            `json:"code"`
	Title   string            `json:"title"`
	Min     float64           `json:"min"`
	Max     float64           `json:"max"`
	Step    float64           `json:"step,omitempty"`    // ratings are Min plus whole steps; 0: any value between
	Anchors map[string]string `json:"anchors,omitempty"` // what a value means, by the value as text
}

func (s CodingScheme) check(path string, k *checks) {
	k.add(CheckCode(path+".code", s.Code))
	_, ok := find([]CodingUnit{UnitClip, UnitInterval, UnitEvent, UnitTurn, UnitContinuous}, func(u CodingUnit) bool { return u == s.Unit })
	k.that(ok, path+".unit", "%q is not a unit; expected clip, interval, event, turn or continuous", s.Unit)
	k.that(s.IntervalSeconds == 0 || s.IntervalSeconds > 0 && s.Unit == UnitInterval, path+".intervalSeconds", "a length of %d seconds; expected more than 0, with the unit interval", s.IntervalSeconds)
	k.that(s.Directed == DirectedPerson || s.Directed == DirectedDyad, path+".directed", "%q is not a direction; expected person or dyad", s.Directed)
	k.that(len(s.Dimensions) > 0, path+".dimensions", "there is nothing to rate")
	k.that(s.JudgesPerClip >= 1, path+".judgesPerClip", "%d judges; expected at least one", s.JudgesPerClip)
	k.that((s.Unit == UnitContinuous) == (s.SampleMs > 0) && (s.SampleMs == 0 || s.SampleMs >= 40 && s.SampleMs <= 10000), path+".sampleMs",
		"a value every %d ms; expected 40 to 10000 for a scheme with traces, and none for others", s.SampleMs)
	k.that(finite(s.Overlap) && s.Overlap >= 0 && s.Overlap <= 1, path+".overlap", "the share is %v; expected 0 to 1", s.Overlap)
	s.Certification.check(path+".certification", k)
	seen := map[string]bool{}
	for i, d := range s.Dimensions {
		path := fmt.Sprintf("%s.dimensions[%d]", path, i)
		k.add(CheckCode(path+".code", d.Code))
		k.that(!seen[d.Code], path+".code", "dimension %q stands twice", d.Code)
		seen[d.Code] = true
		k.that(finite(d.Min) && finite(d.Max) && d.Min < d.Max, path, "the range is %v to %v; expected the smallest value below the largest", d.Min, d.Max)
		k.that(finite(d.Step) && d.Step >= 0, path+".step", "the step is %v; expected 0 or more", d.Step)
	}
}

// Dimension returns the dimension with a code.
func (s CodingScheme) Dimension(code string) (Dimension, bool) {
	return find(s.Dimensions, func(d Dimension) bool { return d.Code == code })
}

type (
	interaction struct {
		task       string
		wave       int
		durationMs int
		heldAt     time.Time
	}
	clip struct {
		interaction    string
		startMs, endMs int
	}
	ratingKey struct {
		clip, judge, scheme, dimension string
		target                         Role // empty: the dyad
		unit                           int
		assignment                     string // empty: the rating is of none
	}
)

// InteractionRecorded: the couple had an interaction that was recorded.
type InteractionRecorded struct {
	Interaction string    `json:"interaction"` // unique in the couple
	Task        string    `json:"task"`
	Wave        int       `json:"wave"`
	DurationMs  int       `json:"durationMs"`
	HeldAt      time.Time `json:"heldAt"` // UTC
}

// ClipCut: a stretch of an interaction is to be rated.
type ClipCut struct {
	Clip        string `json:"clip"` // unique in the couple
	Interaction string `json:"interaction"`
	StartMs     int    `json:"startMs"`
	EndMs       int    `json:"endMs"`
}

// RatingRecorded: a judge rated one dimension of one unit of a clip.
type RatingRecorded struct {
	Clip      string    `json:"clip"`
	Judge     string    `json:"judge"`
	Scheme    string    `json:"scheme"`
	Dimension string    `json:"dimension"`
	Target    Role      `json:"target,omitempty"` // whose behaviour; empty: the dyad
	Unit      int       `json:"unit,omitempty"`   // which interval, event or turn, from 1; 0: the whole clip
	Value     float64   `json:"value"`
	RatedAt   time.Time `json:"ratedAt"` // UTC

	StartMs    int               `json:"startMs,omitempty"` // of an event or turn, from the clip's beginning
	EndMs      int               `json:"endMs,omitempty"`
	Assignment string            `json:"assignment,omitempty"` // for which it was given; empty: recorded outside asem
	Purpose    AssignmentPurpose `json:"purpose,omitempty"`    // gold or probe: it tells of the judge and is no datum of the couple
}

func (InteractionRecorded) isEvent() {}
func (ClipCut) isEvent()             {}
func (RatingRecorded) isEvent()      {}

func (c *Couple) applyCoding(e Event) {
	switch e := e.(type) {
	case InteractionRecorded:
		set(&c.interactions, e.Interaction, interaction{e.Task, e.Wave, e.DurationMs, e.HeldAt})
	case ClipCut:
		set(&c.clips, e.Clip, clip{e.Interaction, e.StartMs, e.EndMs})
	case RatingRecorded:
		set(&c.ratings, ratingKey{e.Clip, e.Judge, e.Scheme, e.Dimension, e.Target, e.Unit, e.Assignment}, e.Value)
	}
}

// RecordInteraction notes an interaction task of a wave that was held and recorded. Both partners
// must have agreed to video.
type RecordInteraction struct {
	Study, Couple string
	Interaction   string
	Task          string
	DurationMs    int
	HeldAt        time.Time
}

func (c RecordInteraction) Target() Target { return Target{c.Study, c.Couple} }

func (c RecordInteraction) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	if err := p.needNobodyErased(); err != nil {
		return nil, err
	}
	for _, who := range p.Couple.Participants {
		if _, err := p.mayObserve(who.Role, ScopeVideo, c.HeldAt); err != nil {
			return nil, err
		}
	}
	task, ok := p.Study.Protocol.Task(c.Task)
	if !ok {
		return nil, refuse(NotFound, "task", "the protocol has no task %q", c.Task)
	}
	var k checks
	k.add(CheckCode("interaction", c.Interaction))
	k.that(c.DurationMs > 0, "durationMs", "the duration is %d ms; expected more than 0", c.DurationMs)
	if err := k.err(); err != nil {
		return nil, err
	}
	if old, ok := p.Couple.interactions[c.Interaction]; ok {
		if old == (interaction{c.Task, task.Wave, c.DurationMs, c.HeldAt.UTC()}) {
			return nil, nil
		}
		return nil, refuse(Conflict, "interaction", "interaction %s was recorded before", c.Interaction)
	}
	return []Event{InteractionRecorded{c.Interaction, c.Task, task.Wave, c.DurationMs, c.HeldAt.UTC()}}, nil
}

// mayCode refuses to go on with a recording when a partner no longer agrees to video. Who withdrew from the study but not from video
// left the recording to be coded.
func (p Past) mayCode() error {
	if err := p.needNobodyErased(); err != nil {
		return err
	}
	for _, who := range p.Couple.Participants {
		if _, ok := who.Consents[ScopeVideo]; !ok {
			return refuse(Forbidden, "consent", "there is no consent to %s in role %s", ScopeVideo, who.Role)
		}
	}
	return nil
}

// CutClip marks a stretch of a recorded interaction for rating.
type CutClip struct {
	Study, Couple  string
	Clip           string
	Interaction    string
	StartMs, EndMs int
}

func (c CutClip) Target() Target { return Target{c.Study, c.Couple} }

func (c CutClip) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	in, ok := p.Couple.interactions[c.Interaction]
	if !ok {
		return nil, refuse(NotFound, "interaction", "there is no interaction %q", c.Interaction)
	}
	var k checks
	k.add(CheckCode("clip", c.Clip))
	k.that(0 <= c.StartMs && c.StartMs < c.EndMs && c.EndMs <= in.durationMs, "endMs",
		"the clip runs from %d to %d ms; expected a stretch within 0 to %d", c.StartMs, c.EndMs, in.durationMs)
	if err := k.err(); err != nil {
		return nil, err
	}
	if old, ok := p.Couple.clips[c.Clip]; ok {
		if old == (clip{c.Interaction, c.StartMs, c.EndMs}) {
			return nil, nil
		}
		return nil, refuse(Conflict, "clip", "clip %s was cut before, from another interaction or with other limits", c.Clip)
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{ClipCut{c.Clip, c.Interaction, c.StartMs, c.EndMs}}, nil
}

// RecordRating takes a judge's rating. A judge rates each dimension of a unit once; a second,
// different rating is refused.
type RecordRating struct {
	Study, Couple string
	Clip          string
	Judge         string
	Scheme        string
	Dimension     string
	Rated         Role // whose behaviour; empty: the dyad
	Unit          int
	Value         float64
	RatedAt       time.Time
}

func (c RecordRating) Target() Target { return Target{c.Study, c.Couple} }

func (c RecordRating) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	if _, ok := p.Couple.clips[c.Clip]; !ok {
		return nil, refuse(NotFound, "clip", "there is no clip %q", c.Clip)
	}
	scheme, ok := p.Study.Protocol.Scheme(c.Scheme)
	if !ok {
		return nil, refuse(NotFound, "scheme", "the protocol has no coding scheme %q", c.Scheme)
	}
	dim, ok := scheme.Dimension(c.Dimension)
	if !ok {
		return nil, refuse(NotFound, "dimension", "scheme %s has no dimension %q", c.Scheme, c.Dimension)
	}
	var k checks
	k.add(CheckCode("judge", c.Judge))
	_, isRole := p.Couple.Participant(c.Rated)
	switch scheme.Directed {
	case DirectedPerson:
		k.that(isRole, "target", "scheme %s rates a person, and %q is nobody's role", c.Scheme, c.Rated)
	case DirectedDyad:
		k.that(c.Rated == "", "target", "scheme %s rates the dyad; no role was expected", c.Scheme)
	}
	k.that((scheme.Unit == UnitClip) == (c.Unit == 0) && c.Unit >= 0, "unit", "unit %d does not fit a scheme that rates by %s", c.Unit, scheme.Unit)
	k.add(dim.checkValue(c.Value))
	if err := k.err(); err != nil {
		return nil, err
	}
	key := ratingKey{c.Clip, c.Judge, c.Scheme, c.Dimension, c.Rated, c.Unit, ""}
	if old, ok := p.Couple.ratings[key]; ok {
		if old == c.Value {
			return nil, nil
		}
		return nil, refuse(Conflict, "value", "judge %s rated this before", c.Judge)
	}
	if err := p.mayCode(); err != nil {
		return nil, err
	}
	return []Event{RatingRecorded{Clip: c.Clip, Judge: c.Judge, Scheme: c.Scheme, Dimension: c.Dimension, Target: c.Rated, Unit: c.Unit, Value: c.Value, RatedAt: c.RatedAt.UTC()}}, nil
}

func (d Dimension) checkValue(v float64) error {
	if !finite(v) || v < d.Min || v > d.Max {
		return refuse(Invalid, "value", "%v is out of range for %s; expected %v to %v", v, d.Code, d.Min, d.Max)
	}
	if d.Step > 0 {
		steps := (v - d.Min) / d.Step
		if r := steps - float64(int(steps+0.5)); r > 1e-9 || r < -1e-9 {
			return refuse(Invalid, "value", "%v is not a step of %s; expected %v plus multiples of %v", v, d.Code, d.Min, d.Step)
		}
	}
	return nil
}
