package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/desk"
	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/projections"
)

// Desk is what the pages of coders, and of those who look after coding, are made from.
type Desk interface {
	Coding(ctx context.Context, study string) (projections.Coding, error)
}

// Coders see of a clip what they need to rate it: the clip and nothing else of its recording, the scheme, and their own draft. An assignment's id is random, and nothing on these pages
// tells the couple, the wave, the arm, an answer or what another judge gave; a probe looks like any other clip. Persons are the left one and the right one of the
// picture: role A sits left in a recording, and where an assignment is mirrored the picture is turned and the names with it.

type coderStudy struct {
	Title   string
	Schemes []coderScheme
}

type coderScheme struct {
	Title, State string
	Done, Open   int
	Next         []coderClip // that may be opened
}

type coderClip struct {
	ID, Title string
	Begun     bool
}

// codePage lists a coder's clips, in the coder's own order: the next one, and those that were begun.
func (s *server) codePage(w http.ResponseWriter, r *http.Request, u access.Staff) {
	var body struct {
		Done    string
		Studies []coderStudy
	}
	switch r.URL.RawQuery {
	case "submitted":
		body.Done = "Your ratings were submitted. Thank you."
	case "returned":
		body.Done = "The clip was given back."
	}
	for i, study := range u.Studies(domain.ActorCoder) {
		c, err := s.Desk.Coding(r.Context(), study)
		if err != nil {
			s.failed(w, err)
			return
		}
		judge, enlisted := c.Judge(u.User)
		cs := coderStudy{Title: "Study " + strconv.Itoa(i+1)}
		for _, scheme := range c.Protocol.Schemes {
			line := coderScheme{Title: scheme.Title, State: trainingState(scheme, judge, enlisted, today(s.Now()))}
			first := true
			for n, a := range slices.DeleteFunc(c.Of(u.User), func(a projections.CodingWork) bool { return a.Scheme != scheme.Code }) {
				k, _ := c.Clip(a.Couple, a.Clip)
				switch {
				case !a.Submitted.IsZero():
					line.Done++
				case a.Ended || !k.Free || suspended(judge, a):
				default:
					line.Open++
					if first || !a.Claimed.IsZero() {
						title := fmt.Sprintf("Clip %d", n+1)
						if a.Purpose == domain.PurposeGold {
							title += " (training)"
						}
						line.Next = append(line.Next, coderClip{a.ID, title, !a.Claimed.IsZero()})
					}
					first = false
				}
			}
			if line.Done+line.Open > 0 || line.State != "" {
				cs.Schemes = append(cs.Schemes, line)
			}
		}
		body.Studies = append(body.Studies, cs)
	}
	s.staffPage(w, http.StatusOK, "code.html", "Coding", u.Name, body)
}

// suspended reports whether a judge may not go on with an assignment: training is how somebody comes back.
func suspended(j domain.Judge, a projections.CodingWork) bool {
	return j.Standings[a.Scheme].Suspended && a.Purpose != domain.PurposeGold
}

func trainingState(scheme domain.CodingScheme, j domain.Judge, enlisted bool, on domain.Date) string {
	st := j.Standings[scheme.Code]
	switch {
	case !enlisted:
		return ""
	case st.Suspended:
		return "You get no clips at the moment. Training clips come first; ask whoever looks after the coding."
	case scheme.Certification == nil:
		return "Open to all coders."
	case st.Certified && st.Holds(scheme.Certification, on):
		if st.Until.IsZero() {
			return "You are certified."
		}
		return "You are certified through " + st.Until.String() + "."
	case st.Certified:
		return "Your certification ended on " + st.Until.String() + ". It is renewed with training clips."
	}
	return fmt.Sprintf("Not certified yet: it takes %d training clips.", scheme.Certification.Clips)
}

// draft is what a coder has noted and not submitted.
type draft struct {
	Ratings []draftRating  `json:"ratings,omitempty"`
	Omitted []draftOmitted `json:"omitted,omitempty"`
	Traces  []draftTrace   `json:"traces,omitempty"`
	Comment string         `json:"comment,omitempty"`
}

type draftRating struct {
	Dimension string  `json:"d"`
	Side      string  `json:"t"` // left, right, or both
	Unit      int     `json:"u,omitempty"`
	Value     float64 `json:"v"`
	StartMs   int     `json:"s,omitempty"`
	EndMs     int     `json:"e,omitempty"`
}

type draftOmitted struct {
	Dimension string `json:"d"`
	Side      string `json:"t"`
	Unit      int    `json:"u,omitempty"`
	Reason    string `json:"r"`
}

type draftTrace struct {
	Dimension string     `json:"d"`
	Side      string     `json:"t"`
	Values    []*float64 `json:"v"` // null where nothing was noted
}

// bench is an assignment that a coder works on.
type bench struct {
	study  string
	coding projections.Coding
	work   projections.CodingWork
	clip   projections.CodingClip
	scheme domain.CodingScheme
}

// side is a person in the picture.
type side struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	role  domain.Role
}

func (b bench) sides() []side {
	if b.scheme.Directed == domain.DirectedDyad {
		return []side{{"both", "Both", ""}}
	}
	left, right := domain.RoleA, domain.RoleB
	if b.work.Mirrored {
		left, right = right, left
	}
	return []side{{"left", "Left", left}, {"right", "Right", right}}
}

func (b bench) role(key string) (domain.Role, error) {
	for _, x := range b.sides() {
		if x.Key == key {
			return x.role, nil
		}
	}
	return "", &domain.Error{Code: domain.Invalid, Path: "side", Message: fmt.Sprintf("%q is nobody in the picture", key)}
}

// bench finds the assignment that a coder asks for, or answers that there is none.
func (s *server) bench(w http.ResponseWriter, r *http.Request, u access.Staff) (b bench, ok bool) {
	for _, study := range u.Studies(domain.ActorCoder) {
		c, err := s.Desk.Coding(r.Context(), study)
		if err != nil {
			s.failed(w, err)
			return b, false
		}
		a, there := c.Assignment(r.PathValue("assignment"))
		judge, enlisted := c.Judge(u.User)
		if !there || a.Judge != u.User || !enlisted {
			continue
		}
		k, _ := c.Clip(a.Couple, a.Clip)
		scheme, known := c.Protocol.Scheme(a.Scheme)
		if a.Ended || !a.Submitted.IsZero() || !k.Free || !known || suspended(judge, a) {
			break
		}
		return bench{study, c, a, k, scheme}, true
	}
	s.noSuchStaffPage(w, r, u)
	return b, false
}

type cell struct {
	Name, Label, Value, Omitted string
	Dimension, Side             string
	Unit                        int
	Min, Max, Step              float64
}

type benchRow struct {
	Title string
	Unit  int
	Cells []cell
}

type benchBody struct {
	ID, Coder     string
	Scheme        string
	Claimed       bool
	Training      bool
	Timed, Traced bool // rated by events or turns; followed continuously: only with script
	Mirrored      bool
	Kind          string
	Columns       []string
	Rows          []benchRow
	Anchors       []anchorRow
	Comment       string
	Conf          any // for the script
	Mends         []string
	OmitReasons   []keyed
	ReturnReasons []keyed
	Saved         string
	Waits         bool // until the clip was cut
	Fails         bool // it could not be
}

type keyed struct{ Key, Title string }

type anchorRow struct {
	Title string
	Range string
	Marks []keyed
}

var reasonTitles = map[string]string{"not_visible": "not visible", "not_audible": "not audible", "off_task": "off task", "other": "other", "knows_couple": "I know the couple", "technical": "the recording does not work", "distressing": "it distresses me"}

func keyedBy(keys []string) (list []keyed) {
	for _, k := range keys {
		list = append(list, keyed{k, cmp.Or(reasonTitles[k], k)})
	}
	return list
}

func number64(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// benchPage shows the workbench.
func (s *server) benchPage(w http.ResponseWriter, r *http.Request, u access.Staff) {
	b, ok := s.bench(w, r, u)
	if !ok {
		return
	}
	d, version, err := s.draftOf(r.Context(), b)
	if err != nil {
		s.failed(w, err)
		return
	}
	saved := ""
	if r.URL.RawQuery == "saved" {
		saved = "Saved."
	}
	s.showBench(w, r, u, b, d, version, http.StatusOK, saved, nil)
}

func (s *server) draftOf(ctx context.Context, b bench) (d draft, version int64, err error) {
	body, version, err := s.Access.Draft(ctx, b.work.ID)
	if err == nil && version > 0 {
		err = json.Unmarshal(body, &d)
	}
	return d, version, err
}

// prepare has the clip of a bench cut, where that was not done yet, and says whether the coder has to wait or cannot have it.
func (s *server) prepare(ctx context.Context, b bench) (waits, fails bool, err error) {
	if s.Videos == nil {
		return false, false, nil
	}
	past, err := s.Executor.Past(ctx, b.study, b.work.Couple)
	if err != nil {
		return false, false, err
	}
	clip, ok := media.ClipOf(past, media.Couple{Study: b.study, Code: b.work.Couple}, b.clip.Clip)
	if !ok {
		return false, true, nil
	}
	ready, o := s.Videos.Prepare(clip)
	return !ready && o.Working, !ready && !o.Working, nil
}

func (s *server) showBench(w http.ResponseWriter, r *http.Request, u access.Staff, b bench, d draft, version int64, status int, saved string, mend error) {
	body := benchBody{ID: b.work.ID, Coder: u.User, Scheme: b.scheme.Title, Claimed: !b.work.Claimed.IsZero(), Training: b.work.Purpose == domain.PurposeGold, Mirrored: b.work.Mirrored,
		Timed: b.scheme.Unit == domain.UnitEvent || b.scheme.Unit == domain.UnitTurn, Traced: b.scheme.Unit == domain.UnitContinuous, Kind: string(b.scheme.Unit),
		Comment: d.Comment, OmitReasons: keyedBy(domain.OmitReasons()), ReturnReasons: keyedBy(domain.ReturnReasons()), Saved: saved}
	if mend != nil {
		body.Mends = mends(mend)
	}
	var err error
	if body.Waits, body.Fails, err = s.prepare(r.Context(), b); err != nil {
		s.failed(w, err)
		return
	}
	duration := b.clip.EndMs - b.clip.StartMs
	for _, x := range b.sides() {
		for _, dim := range b.scheme.Dimensions {
			body.Columns = append(body.Columns, x.Label+": "+dim.Title)
		}
	}
	for _, dim := range b.scheme.Dimensions {
		row := anchorRow{Title: dim.Title, Range: number64(dim.Min) + " to " + number64(dim.Max)}
		for v, text := range dim.Anchors {
			row.Marks = append(row.Marks, keyed{v, text})
		}
		slices.SortFunc(row.Marks, func(x, y keyed) int {
			a, _ := strconv.ParseFloat(x.Key, 64)
			b, _ := strconv.ParseFloat(y.Key, 64)
			return cmp.Compare(a, b)
		})
		body.Anchors = append(body.Anchors, row)
	}
	if !body.Timed && !body.Traced {
		units := []benchRow{{Title: "Whole clip"}}
		if b.scheme.Unit == domain.UnitInterval {
			units = nil
			every := b.every()
			for i := range b.scheme.Units(duration) {
				units = append(units, benchRow{Title: clockTime(i*every) + " to " + clockTime(min((i+1)*every, duration)), Unit: i + 1})
			}
		}
		for _, row := range units {
			for _, x := range b.sides() {
				for _, dim := range b.scheme.Dimensions {
					c := cell{Name: strings.Join([]string{dim.Code, x.Key, strconv.Itoa(row.Unit)}, "."), Dimension: dim.Code, Side: x.Key, Unit: row.Unit, Min: dim.Min, Max: dim.Max, Step: dim.Step,
						Label: row.Title + ", " + x.Label + ", " + dim.Title + ", " + number64(dim.Min) + " to " + number64(dim.Max)}
					for _, v := range d.Ratings {
						if v.Dimension == dim.Code && v.Side == x.Key && v.Unit == row.Unit {
							c.Value = number64(v.Value)
						}
					}
					for _, o := range d.Omitted {
						if o.Dimension == dim.Code && o.Side == x.Key && o.Unit == row.Unit {
							c.Omitted = o.Reason
						}
					}
					row.Cells = append(row.Cells, c)
				}
			}
			body.Rows = append(body.Rows, row)
		}
	}
	num, den := 25, 1
	if v := b.clip.Video; v != nil {
		num, den = v.RateNum, v.RateDen
	}
	type dimension struct {
		Code  string  `json:"code"`
		Title string  `json:"title"`
		Min   float64 `json:"min"`
		Max   float64 `json:"max"`
		Step  float64 `json:"step"`
	}
	conf := struct {
		Assignment string      `json:"assignment"`
		Version    int64       `json:"version"`
		Unit       string      `json:"unit"`
		EveryMs    int         `json:"everyMs"`
		LengthMs   int         `json:"lengthMs"`
		SampleMs   int         `json:"sampleMs"`
		RateNum    int         `json:"rateNum"`
		RateDen    int         `json:"rateDen"`
		Sides      []side      `json:"sides"`
		Dimensions []dimension `json:"dimensions"`
		Draft      draft       `json:"draft"`
	}{b.work.ID, version, string(b.scheme.Unit), b.every(), duration, b.scheme.SampleMs, num, den, b.sides(), nil, d}
	for _, dim := range b.scheme.Dimensions {
		conf.Dimensions = append(conf.Dimensions, dimension{dim.Code, dim.Title, dim.Min, dim.Max, dim.Step})
	}
	body.Conf = conf
	s.staffPage(w, status, "bench.html", "Clip", u.Name, body)
}

// every is the length of an interval in ms.
func (b bench) every() int {
	if b.scheme.IntervalSeconds > 0 {
		return b.scheme.IntervalSeconds * 1000
	}
	return int(domain.IntervalLength.Milliseconds())
}

func clockTime(ms int) string { return fmt.Sprintf("%d:%02d", ms/60000, ms/1000%60) }

// saveDraft keeps a draft that the script sends.
func (s *server) saveDraft(w http.ResponseWriter, r *http.Request, u access.Staff) {
	b, ok := s.bench(w, r, u)
	if !ok {
		return
	}
	var sent struct {
		Version int64 `json:"version"`
		Draft   draft `json:"draft"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &sent)
	}
	if err != nil {
		http.Error(w, "This draft cannot be read.", http.StatusBadRequest)
		return
	}
	version, err := s.keepDraft(r.Context(), b, sent.Draft, sent.Version)
	switch {
	case domain.CodeOf(err) == domain.Conflict:
		http.Error(w, "Another window has saved this clip meanwhile. Load this page again.", http.StatusConflict)
	case err != nil:
		s.failed(w, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]int64{"version": version}) // the client may be gone
	}
}

func (s *server) keepDraft(ctx context.Context, b bench, d draft, after int64) (int64, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return 0, err
	}
	return s.Access.SaveDraft(ctx, b.work.ID, b.study, b.work.Couple, after, body)
}

// replaceDraft keeps what a form holds in the place of what was kept before. What the page was just saving by itself may come between.
func (s *server) replaceDraft(ctx context.Context, b bench, d draft) (version int64, err error) {
	for range 5 {
		if _, version, err = s.draftOf(ctx, b); err == nil {
			version, err = s.keepDraft(ctx, b, d, version)
		}
		if domain.CodeOf(err) != domain.Conflict {
			break
		}
	}
	return version, err
}

// maxBench bounds the form of a clip, in which a trace may stand.
const maxBench = 2 << 20

// changeBench begins with a clip, keeps its draft, submits it or gives it back.
func (s *server) changeBench(w http.ResponseWriter, r *http.Request, u access.Staff) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBench)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form cannot be read. Go back and send it again.", http.StatusBadRequest)
		return
	}
	b, ok := s.bench(w, r, u)
	if !ok {
		return
	}
	at := "/code/" + b.work.ID
	var commands []domain.Command
	var d draft
	var version int64
	var err error
	do := r.PostForm.Get("do")
	switch do {
	case "claim":
		commands = append(commands, domain.ClaimAssignment{Study: b.study, Couple: b.work.Couple, Assignment: b.work.ID, Judge: u.User, At: s.Now()})
	case "return":
		at = "/code?returned"
		commands = append(commands, domain.ReturnAssignment{Study: b.study, Couple: b.work.Couple, Assignment: b.work.ID, Judge: u.User, Reason: r.PostForm.Get("reason")})
		if r.PostForm.Get("reason") == "knows_couple" {
			commands = append(commands, domain.AcquaintJudge{Study: b.study, Judge: u.User, Couple: b.work.Couple})
			for _, a := range b.coding.Of(u.User) {
				if a.Couple == b.work.Couple && a.ID != b.work.ID && !a.Ended && a.Submitted.IsZero() {
					commands = append(commands, domain.RetractAssignment{Study: b.study, Couple: a.Couple, Assignment: a.ID, Reason: "the judge knows the couple"})
				}
			}
		}
	case "save", "submit":
		if d, err = b.readDraft(r); err == nil {
			version, err = s.replaceDraft(r.Context(), b, d)
		}
		at += "?saved"
		if err == nil && do == "submit" {
			at = "/code?submitted"
			var c domain.SubmitRatings
			if c, err = b.submission(d, u.User); err == nil {
				c.At = s.Now()
				commands = append(commands, c)
			}
		}
	default:
		s.noSuchStaffPage(w, r, u)
		return
	}
	for _, c := range commands { // each stands alone: they are of two streams
		if err == nil {
			_, err = s.Executor.ExecuteAll(r.Context(), uuid.New(), s.staffOrders(u, domain.ActorCoder, c))
		}
	}
	if err == nil && (do == "submit" || do == "return") {
		// The ratings are in the log: what is left to do is done with the next ones if it fails now.
		if e := errors.Join(s.Access.DropDraft(r.Context(), b.work.ID), s.assess(r.Context(), u, b)); e != nil {
			s.Logger.Error("what follows on a coder's clip could not be done", "code", string(domain.CodeOf(e)), "error", e.Error())
		}
	}
	switch domain.CodeOf(err) {
	case domain.Internal, domain.Unavailable:
		if err != nil {
			s.failed(w, err)
			return
		}
	}
	if err != nil {
		s.showBench(w, r, u, b, d, version, http.StatusUnprocessableEntity, "", err)
		return
	}
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// assess holds a judge against criterion scores, if it is time to.
func (s *server) assess(ctx context.Context, u access.Staff, b bench) error {
	c, err := s.Desk.Coding(ctx, b.study)
	if err != nil {
		return err
	}
	due := desk.Due(c, b.scheme.Code, u.User, today(s.Now()))
	if due == nil {
		return nil
	}
	_, err = s.Executor.ExecuteAll(ctx, uuid.New(), s.staffOrders(u, domain.ActorCoder, due))
	return err
}

// readDraft reads what was noted: what the script put together, or without one the fields.
func (b bench) readDraft(r *http.Request) (draft, error) {
	var d draft
	bad := func(format string, args ...any) (draft, error) {
		return d, &domain.Error{Code: domain.Invalid, Path: "ratings", Message: fmt.Sprintf(format, args...)}
	}
	if text := r.PostForm.Get("draft"); text != "" {
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return bad("the ratings cannot be read; load the page again")
		}
		return d, nil
	}
	d.Comment = strings.TrimSpace(r.PostForm.Get("comment"))
	units := []int{0}
	if b.scheme.Unit == domain.UnitInterval {
		units = nil
		for i := range b.scheme.Units(b.clip.EndMs - b.clip.StartMs) {
			units = append(units, i+1)
		}
	}
	for _, dim := range b.scheme.Dimensions {
		for _, x := range b.sides() {
			for _, unit := range units {
				name := strings.Join([]string{dim.Code, x.Key, strconv.Itoa(unit)}, ".")
				if reason := r.PostForm.Get("omit." + name); reason != "" {
					d.Omitted = append(d.Omitted, draftOmitted{dim.Code, x.Key, unit, reason})
					continue
				}
				text := strings.TrimSpace(r.PostForm.Get(name))
				if text == "" {
					continue
				}
				v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
				if err != nil {
					return bad("%q is not a number; expected %v to %v for %s", text, dim.Min, dim.Max, dim.Title)
				}
				d.Ratings = append(d.Ratings, draftRating{Dimension: dim.Code, Side: x.Key, Unit: unit, Value: v})
			}
		}
	}
	return d, nil
}

// submission turns a draft into what is submitted.
func (b bench) submission(d draft, judge string) (domain.SubmitRatings, error) {
	c := domain.SubmitRatings{Study: b.study, Couple: b.work.Couple, Assignment: b.work.ID, Judge: judge, Comment: d.Comment}
	timed := b.scheme.Unit == domain.UnitEvent || b.scheme.Unit == domain.UnitTurn
	list := slices.Clone(d.Ratings)
	if timed { // numbered as they follow each other
		slices.SortStableFunc(list, func(x, y draftRating) int {
			return cmp.Or(cmp.Compare(x.StartMs, y.StartMs), cmp.Compare(x.EndMs, y.EndMs))
		})
	}
	numbers := map[[2]string]int{}
	for _, v := range list {
		role, err := b.role(v.Side)
		if err != nil {
			return c, err
		}
		if timed {
			place := [2]string{v.Dimension, v.Side}
			numbers[place]++
			v.Unit = numbers[place]
		}
		c.Ratings = append(c.Ratings, domain.NewRating{Dimension: v.Dimension, Rated: role, Unit: v.Unit, StartMs: v.StartMs, EndMs: v.EndMs, Value: v.Value})
	}
	for _, o := range d.Omitted {
		role, err := b.role(o.Side)
		if err != nil {
			return c, err
		}
		c.Omitted = append(c.Omitted, domain.Omitted{Dimension: o.Dimension, Target: role, Unit: o.Unit, Reason: o.Reason})
	}
	for _, t := range d.Traces {
		role, err := b.role(t.Side)
		if err != nil {
			return c, err
		}
		n := domain.NewTrace{Dimension: t.Dimension, Rated: role}
		for i, v := range t.Values {
			if v == nil {
				return c, &domain.Error{Code: domain.Invalid, Path: "traces", Message: fmt.Sprintf("the trace has a gap at %s; play on from there", clockTime(i*b.scheme.SampleMs))}
			}
			n.Values = append(n.Values, *v)
		}
		c.Traces = append(c.Traces, n)
	}
	return c, nil
}
