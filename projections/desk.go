package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
)

// Desk is what the coders' side stands on: clips, judges, who is to rate what, and what was given. Like [Board] it is kept in memory, made by the
// domain's own fold, and brought up to date when it is asked for. It holds no answer of a participant.
type Desk struct {
	log StreamReader

	mu      sync.Mutex
	at      events.Position
	studies map[string]*deskStudy
	couples map[string]map[string]deskCouple
}

// NewDesk returns the desk of what is in a log.
func NewDesk(log StreamReader) *Desk {
	return &Desk{log: log, studies: map[string]*deskStudy{}, couples: map[string]map[string]deskCouple{}}
}

type deskStudy struct {
	domain.Study
	assessed []domain.JudgeAssessed
}

// Coding is the coding of one study. Nothing in it is changed once it was handed out.
type Coding struct {
	Study    string
	Protocol domain.Protocol
	Judges   []domain.Judge    // in order of their codes, those who are gone included
	Seeds    map[string]uint64 // by scheme
	Assessed []domain.JudgeAssessed
	Clips    []CodingClip // in natural order of couple and clip
	Work     []CodingWork // in order of couple, then of the assignments' ids
}

// CodingClip is a clip as coding needs it.
type CodingClip struct {
	Couple, Clip   string
	StartMs, EndMs int           // in the recording
	Task           string        // of which it is a part
	Video          *domain.Video // nil: there is none
	Free           bool          // both partners agree to video, and nobody was erased
	Roles          []domain.Role // of those who are in it
	Criteria       map[string][]domain.CriterionScore
	Adjudicated    []domain.RatingAdjudicated // the last one of each place

	revealed map[string]bool
}

// Revealed reports whether others than its judges may see what was given to the clip: all of them have submitted.
func (c CodingClip) Revealed(scheme string) bool { return c.revealed[scheme] }

// CodingWork is an assignment with what was submitted. What judges gave outside asem stands here as well, as submitted for the study and without an id.
type CodingWork struct {
	domain.Assignment
	Couple   string
	Returned string                  // reason why it was given back; empty: it was not, or staff took it back
	Ratings  []domain.RatingRecorded // as corrected
	Traces   []domain.TraceRecorded
	Omitted  []domain.Omitted
	Comment  string
	Reasons  []domain.RatingCorrected
}

type deskCouple struct {
	clips []CodingClip
	work  []CodingWork
}

// Coding returns the coding of a study. A study that does not exist is an error with code not_found.
func (d *Desk) Coding(ctx context.Context, study string) (Coding, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.catchUp(ctx); err != nil {
		return Coding{}, fmt.Errorf("bring the coding up to date: %w", err)
	}
	s, ok := d.studies[study]
	if !ok {
		return Coding{}, &domain.Error{Code: domain.NotFound, Path: "study", Message: "there is no such study"}
	}
	c := Coding{Study: study, Protocol: s.Protocol, Seeds: maps.Clone(s.Seeds), Assessed: s.assessed}
	for _, code := range slices.Sorted(maps.Keys(s.Judges)) {
		c.Judges = append(c.Judges, s.Judges[code])
	}
	for _, code := range slices.SortedFunc(maps.Keys(d.couples[study]), frame.Natural) {
		c.Clips = append(c.Clips, d.couples[study][code].clips...)
		c.Work = append(c.Work, d.couples[study][code].work...)
	}
	return c, nil
}

func (d *Desk) catchUp(ctx context.Context) error {
	at, plans, touched, err := news(ctx, d.log, d.at)
	if err != nil {
		return err
	}
	for study := range plans {
		s := &deskStudy{}
		err := fold(ctx, d.log, events.StudyStream(study), func(e domain.Event) {
			s.Apply(e)
			if a, ok := e.(domain.JudgeAssessed); ok {
				s.assessed = append(s.assessed, a)
			}
		})
		if err != nil {
			return err
		}
		d.studies[study] = s
	}
	for study, codes := range touched {
		if d.couples[study] == nil {
			d.couples[study] = map[string]deskCouple{}
		}
		for code := range codes {
			c, err := d.couple(ctx, study, code)
			if err != nil {
				return err
			}
			d.couples[study][code] = c
		}
	}
	d.at = at
	return nil
}

func (d *Desk) couple(ctx context.Context, study, code string) (deskCouple, error) {
	couple := &domain.Couple{}
	var cuts []domain.ClipCut
	tasks := map[string]string{} // by interaction
	work := map[string]*CodingWork{}
	schemes := map[string]bool{}
	adjudicated := map[domain.RatingAdjudicated]domain.RatingAdjudicated{}
	given := func(id string, do func(*CodingWork)) {
		if work[id] == nil {
			work[id] = &CodingWork{}
		}
		do(work[id])
	}
	// outside names work that has no assignment.
	outside := func(assignment, clip, scheme, judge string) string {
		if assignment != "" {
			return assignment
		}
		return "\x00" + clip + "\x00" + scheme + "\x00" + judge
	}
	err := fold(ctx, d.log, events.CoupleStream(study, code), func(e domain.Event) {
		couple.Apply(e)
		switch e := e.(type) {
		case domain.InteractionRecorded:
			tasks[e.Interaction] = e.Task
		case domain.ClipCut:
			cuts = append(cuts, e)
		case domain.AssignmentMade:
			schemes[e.Scheme] = true
		case domain.CriterionSet:
			schemes[e.Scheme] = true
		case domain.AssignmentReturned:
			given(e.Assignment, func(w *CodingWork) { w.Returned = e.Reason })
		case domain.RatingRecorded:
			given(outside(e.Assignment, e.Clip, e.Scheme, e.Judge), func(w *CodingWork) {
				w.Ratings = append(w.Ratings, e)
				if e.Assignment == "" {
					schemes[e.Scheme] = true
					w.Assignment = domain.Assignment{Clip: e.Clip, Scheme: e.Scheme, Judge: e.Judge, Purpose: domain.PurposeStudy, Submitted: e.RatedAt}
				}
			})
		case domain.TraceRecorded:
			given(e.Assignment, func(w *CodingWork) { w.Traces = append(w.Traces, e) })
		case domain.RatingsSubmitted:
			given(e.Assignment, func(w *CodingWork) { w.Omitted, w.Comment = e.Omitted, e.Comment })
		case domain.RatingCorrected:
			given(outside(e.Assignment, e.Clip, e.Scheme, e.Judge), func(w *CodingWork) {
				for i, r := range w.Ratings {
					if r.Dimension == e.Dimension && r.Target == e.Target && r.Unit == e.Unit {
						w.Ratings[i].Value = e.Value
					}
				}
				w.Reasons = append(w.Reasons, e)
			})
		case domain.RatingAdjudicated:
			place := e
			place.Value, place.Reason = 0, ""
			adjudicated[place] = e
		}
	})
	if err != nil {
		return deskCouple{}, err
	}
	var out deskCouple
	free := len(couple.Erased) == 0
	var roles []domain.Role
	for _, who := range couple.Participants {
		_, agrees := who.Consents[domain.ScopeVideo]
		free = free && agrees
		roles = append(roles, who.Role)
	}
	for _, cut := range cuts {
		c := CodingClip{Couple: code, Clip: cut.Clip, StartMs: cut.StartMs, EndMs: cut.EndMs, Task: tasks[cut.Interaction], Free: free, Roles: roles,
			Criteria: map[string][]domain.CriterionScore{}, revealed: map[string]bool{}}
		if v, ok := couple.VideoOf(cut.Interaction); ok {
			c.Video = &v
		}
		for scheme := range schemes {
			c.revealed[scheme] = couple.Revealed(cut.Clip, scheme)
			if scores := couple.Criterion(cut.Clip, scheme); len(scores) > 0 {
				c.Criteria[scheme] = scores
			}
		}
		for _, a := range adjudicated {
			if a.Clip == cut.Clip {
				c.Adjudicated = append(c.Adjudicated, a)
			}
		}
		slices.SortFunc(c.Adjudicated, func(a, b domain.RatingAdjudicated) int {
			return firstOf(strings.Compare(a.Scheme, b.Scheme), strings.Compare(a.Dimension, b.Dimension), strings.Compare(string(a.Target), string(b.Target)), a.Unit-b.Unit)
		})
		out.clips = append(out.clips, c)
	}
	slices.SortFunc(out.clips, func(a, b CodingClip) int { return frame.Natural(a.Clip, b.Clip) })
	for _, a := range couple.Assignments() {
		w := CodingWork{}
		if has := work[a.ID]; has != nil {
			w = *has
		}
		w.Assignment, w.Couple = a, code
		out.work = append(out.work, w)
	}
	for _, id := range slices.Sorted(maps.Keys(work)) {
		if strings.HasPrefix(id, "\x00") {
			w := *work[id]
			w.Couple = code
			out.work = append(out.work, w)
		}
	}
	return out, nil
}

// Clip returns a clip of a couple.
func (c Coding) Clip(couple, clip string) (CodingClip, bool) {
	i := slices.IndexFunc(c.Clips, func(k CodingClip) bool { return k.Couple == couple && k.Clip == clip })
	if i < 0 {
		return CodingClip{}, false
	}
	return c.Clips[i], true
}

// Assignment returns an assignment by its id.
func (c Coding) Assignment(id string) (CodingWork, bool) {
	i := slices.IndexFunc(c.Work, func(w CodingWork) bool { return w.ID == id })
	if i < 0 {
		return CodingWork{}, false
	}
	return c.Work[i], true
}

// Judge returns a judge who has not retired.
func (c Coding) Judge(code string) (domain.Judge, bool) {
	i := slices.IndexFunc(c.Judges, func(j domain.Judge) bool { return j.Code == code && !j.Retired })
	if i < 0 {
		return domain.Judge{}, false
	}
	return c.Judges[i], true
}

// Of lists a judge's assignments in the judge's own order.
func (c Coding) Of(judge string) (list []CodingWork) {
	for _, w := range c.Work {
		if w.Judge == judge {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b CodingWork) int { return firstOf(strings.Compare(a.Scheme, b.Scheme), a.Place-b.Place) })
	return list
}
