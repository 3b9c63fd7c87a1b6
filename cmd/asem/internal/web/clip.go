package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/projections"
)

type clipBody struct {
	studyPage
	Scheme, Couple, Clip string
	Gold, Revealed, May  bool // gold: may be made one
	Waiting              int  // judges who have not submitted
	Judges               []clipJudge
	Places               []clipPlace
}

type clipJudge struct{ Name, Comment, Assignment string }

type clipPlace struct {
	Name, Title         string
	Min, Max, Step      float64
	Criterion           string
	Values              []string // of each judge
	Adjudicated, Reason string
}

func (s *server) clip(w http.ResponseWriter, r *http.Request, u access.Staff, study string) (c projections.Coding, scheme domain.CodingScheme, k projections.CodingClip, ok bool) {
	c, scheme, ok = s.codingOf(w, r, u, study)
	if !ok {
		return
	}
	for _, k := range c.Clips {
		if s.clipRef(study, k.Couple, k.Clip) == r.PathValue("clip") {
			return c, scheme, k, true
		}
	}
	s.noSuchStaffPage(w, r, u)
	return c, scheme, k, false
}

func (s *server) clipPage(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if c, scheme, k, ok := s.clip(w, r, u, study); ok {
		s.showClip(w, r, u, c, scheme, k, http.StatusOK, "", nil)
	}
}

type clipSlot struct {
	dimension domain.Dimension
	target    domain.Role
	unit      int
}

// places lists what a clip is rated in: all of it for clips and intervals, what judges noted for events and turns.
func places(c projections.Coding, scheme domain.CodingScheme, k projections.CodingClip) (list []clipSlot) {
	targets := k.Roles
	if scheme.Directed == domain.DirectedDyad {
		targets = []domain.Role{""}
	}
	units := 1
	switch scheme.Unit {
	case domain.UnitInterval:
		units = scheme.Units(k.EndMs - k.StartMs)
	case domain.UnitEvent, domain.UnitTurn:
		units = 0
		for _, a := range c.Work {
			if a.Couple == k.Couple && a.Clip == k.Clip && a.Scheme == scheme.Code && a.Purpose == domain.PurposeStudy {
				for _, r := range a.Ratings {
					units = max(units, r.Unit)
				}
			}
		}
	case domain.UnitContinuous:
		return nil
	}
	for i := range units {
		for _, t := range targets {
			for _, d := range scheme.Dimensions {
				unit := i + 1
				if scheme.Unit == domain.UnitClip {
					unit = 0
				}
				list = append(list, clipSlot{d, t, unit})
			}
		}
	}
	return list
}

func (x clipSlot) name() string {
	return x.dimension.Code + "." + string(x.target) + "." + strconv.Itoa(x.unit)
}

func (s *server) showClip(w http.ResponseWriter, r *http.Request, u access.Staff, c projections.Coding, scheme domain.CodingScheme, k projections.CodingClip, status int, done string, mend error) {
	b := clipBody{studyPage: s.ofStudyPage(r, u, c.Study), Scheme: scheme.Code, Couple: k.Couple, Clip: k.Clip, Gold: len(k.Criteria[scheme.Code]) > 0}
	b.Done = done
	if mend != nil {
		b.Mends = mends(mend)
	}
	users, err := s.Access.Users(r.Context())
	if err != nil {
		s.failed(w, err)
		return
	}
	labels := map[domain.Role]string{"": "both"}
	for _, l := range c.Protocol.Roles {
		labels[l.Role] = l.Label
	}
	var given []projections.CodingWork
	had := 0
	for _, a := range c.Work {
		if a.Couple != k.Couple || a.Clip != k.Clip || a.Scheme != scheme.Code || a.Purpose != domain.PurposeStudy || a.Ended {
			continue
		}
		had++
		if a.Submitted.IsZero() {
			b.Waiting++
			continue
		}
		given = append(given, a)
	}
	b.May = had == 0 && (scheme.Unit == domain.UnitClip || scheme.Unit == domain.UnitInterval)
	b.Revealed = len(given) > 0 && k.Revealed(scheme.Code)
	if !b.Revealed {
		given = nil // nobody sees what was given before all have submitted
	}
	for _, a := range given {
		name := a.Judge
		for _, x := range users {
			if x.User == a.Judge {
				name = x.Name
			}
		}
		b.Judges = append(b.Judges, clipJudge{name, a.Comment, a.ID})
	}
	for _, x := range places(c, scheme, k) {
		p := clipPlace{Name: x.name(), Title: labels[x.target] + ", " + x.dimension.Title, Min: x.dimension.Min, Max: x.dimension.Max, Step: x.dimension.Step}
		if x.unit > 0 {
			p.Title = fmt.Sprintf("%s %d, %s", scheme.Unit, x.unit, p.Title)
		}
		for _, sc := range k.Criteria[scheme.Code] {
			if sc.Dimension == x.dimension.Code && sc.Target == x.target && sc.Unit == x.unit {
				p.Criterion = number64(sc.Value)
			}
		}
		for _, a := range given {
			p.Values = append(p.Values, valueAt(a, x))
		}
		for _, a := range k.Adjudicated {
			if b.Revealed && a.Scheme == scheme.Code && a.Dimension == x.dimension.Code && a.Target == x.target && a.Unit == x.unit {
				p.Adjudicated, p.Reason = number64(a.Value), a.Reason
			}
		}
		b.Places = append(b.Places, p)
	}
	s.staffPage(w, status, "clip.html", "Clip", u.Name, b)
}

// valueAt is what a judge gave to a place, with what it was before a correction, or why there is none.
func valueAt(a projections.CodingWork, x clipSlot) string {
	for _, o := range a.Omitted {
		if o.Dimension == x.dimension.Code && o.Target == x.target && o.Unit == x.unit {
			return reasonTitles[o.Reason]
		}
	}
	for _, r := range a.Ratings {
		if r.Dimension != x.dimension.Code || r.Target != x.target || r.Unit != x.unit {
			continue
		}
		text := number64(r.Value)
		if r.EndMs > 0 {
			text += " (" + clockTime(r.StartMs) + " to " + clockTime(r.EndMs) + ")"
		}
		for _, y := range a.Reasons {
			if y.Dimension == r.Dimension && y.Target == r.Target && y.Unit == r.Unit {
				text += ", corrected: " + y.Reason
			}
		}
		return text
	}
	return "–"
}

// changeClip sets criterion scores, settles on values where judges differ, or corrects what a judge has mistyped.
func (s *server) changeClip(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	c, scheme, k, ok := s.clip(w, r, u, study)
	if !ok {
		return
	}
	f := r.PostForm
	do, done := f.Get("do"), ""
	var commands []domain.Command
	var err error
	criterion := domain.SetCriterion{Study: study, Couple: k.Couple, Clip: k.Clip, Scheme: scheme.Code}
	if do != "criterion" && do != "adjudicate" && do != "correct" {
		s.noSuchStaffPage(w, r, u)
		return
	}
	var mistyped projections.CodingWork // whose ratings are corrected
	for _, a := range c.Work {
		if do == "correct" && a.ID == f.Get("assignment") && a.Couple == k.Couple && a.Clip == k.Clip && k.Revealed(scheme.Code) {
			mistyped = a
		}
	}
	var corrections []domain.Command
	for _, x := range places(c, scheme, k) {
		text := strings.TrimSpace(f.Get(x.name()))
		if text == "" {
			continue
		}
		v, e := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
		if e != nil {
			err = &domain.Error{Code: domain.Invalid, Path: x.name(), Message: fmt.Sprintf("%q is not a number", text)}
			break
		}
		criterion.Scores = append(criterion.Scores, domain.CriterionScore{Dimension: x.dimension.Code, Target: x.target, Unit: x.unit, Value: v})
		commands = append(commands, domain.AdjudicateRating{Study: study, Couple: k.Couple, Clip: k.Clip, Scheme: scheme.Code, Dimension: x.dimension.Code, Rated: x.target, Unit: x.unit, Value: v, Reason: strings.TrimSpace(f.Get("reason"))})
		corrections = append(corrections, domain.CorrectRating{Study: study, Couple: k.Couple, Clip: k.Clip, Judge: mistyped.Judge, Scheme: scheme.Code, Dimension: x.dimension.Code, Rated: x.target, Unit: x.unit,
			Assignment: mistyped.ID, Value: v, Reason: strings.TrimSpace(f.Get("reason"))})
	}
	switch {
	case do == "criterion":
		commands, done = []domain.Command{criterion}, "The criterion scores were set. The clip is a gold clip."
		for _, a := range c.Work {
			if a.Couple == k.Couple && a.Clip == k.Clip && a.Scheme == scheme.Code && a.Purpose == domain.PurposeStudy && !a.Ended {
				err = &domain.Error{Code: domain.Conflict, Path: "clip", Message: "the clip is rated for the study; a gold clip has to be another"}
			}
		}
	case do == "correct" && mistyped.ID == "" && err == nil:
		err = &domain.Error{Code: domain.Invalid, Path: "assignment", Message: "choose the judge whose ratings are to be corrected"}
	case do == "correct":
		commands, done = corrections, "The ratings were corrected. What was given first stays in the log."
	case len(commands) == 0 && err == nil:
		err = &domain.Error{Code: domain.Invalid, Path: "value", Message: "there is no value"}
	default:
		done = "The values were settled on. The judges' ratings stay as they are."
	}
	if err == nil {
		err = s.carryOut(r, u, commands)
	}
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		s.failed(w, err)
		return
	}
	if err != nil {
		done = ""
	}
	if c, scheme, k, ok = s.clip(w, r, u, study); ok {
		s.showClip(w, r, u, c, scheme, k, status, done, err)
	}
}
