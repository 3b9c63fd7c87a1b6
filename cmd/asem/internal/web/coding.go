package web

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	agree "asem/analysis/agreement"
	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/desk"
	"asem/domain"
	"asem/projections"
)

type codingBody struct {
	studyPage
	Scheme    string
	Title     string
	Certified bool // the scheme has a certification rule
	Rule      string
	Sifts     []sift
	Totals    struct{ Clips, Gold, Open, Begun, Submitted, Returned, Blocked int }
	Judges    []judgeRow
	Others    []keyed // coders who are not enlisted
	Retrain   []string
	Agreement []agreementRow
	Drift     []driftRow
	Clips     []clipRow
	Today     domain.Date
}

type judgeRow struct {
	Code, Name, State      string
	Open, Done, Returned   int
	Last                   string // assessment
	Suspended, Gone, Waits bool
	OpenClips              bool
}

type agreementRow struct {
	Title, Note string
	All         []string // lines
	Pairs       []pairRow
}

type pairRow struct {
	Judges string
	Places int
	ICC    string
	Kappa  string
}

type driftRow struct {
	Title, Judge, Words string
	Chart               template.HTML
}

type clipRow struct {
	Ref, Couple, Clip, State string
	Gold                     bool
	Spread                   string // largest difference between judges
}

// clipRef stands for a clip in URLs.
func (s *server) clipRef(study, couple, clip string) string {
	return ClipRef(s.Access, study, couple, clip)
}

// ClipRef is what stands for a clip in the URLs of staff pages.
func ClipRef(a *access.Store, study, couple, clip string) string {
	return lowerBase32.EncodeToString(a.Keyed("clip in a URL", study, couple, clip)[:10])
}

// codingOf reads a study's coding and the scheme that a page is about: the one that is asked for, or the first.
func (s *server) codingOf(w http.ResponseWriter, r *http.Request, u access.Staff, study string) (projections.Coding, domain.CodingScheme, bool) {
	c, err := s.Desk.Coding(r.Context(), study)
	if err != nil {
		s.failed(w, err)
		return c, domain.CodingScheme{}, false
	}
	code := r.URL.Query().Get("scheme")
	if code == "" && len(c.Protocol.Schemes) > 0 {
		code = c.Protocol.Schemes[0].Code
	}
	scheme, ok := c.Protocol.Scheme(code)
	if !ok && r.URL.Query().Get("scheme") != "" {
		s.noSuchStaffPage(w, r, u)
		return c, scheme, false
	}
	return c, scheme, true
}

func (s *server) codingPage(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if c, scheme, ok := s.codingOf(w, r, u, study); ok {
		s.showCoding(w, r, u, c, scheme, http.StatusOK, "", nil)
	}
}

func (s *server) showCoding(w http.ResponseWriter, r *http.Request, u access.Staff, c projections.Coding, scheme domain.CodingScheme, status int, done string, mend error) {
	on := today(s.Now())
	b := codingBody{studyPage: s.ofStudyPage(r, u, c.Study), Scheme: scheme.Code, Title: scheme.Title, Certified: scheme.Certification != nil, Today: on}
	b.Done = done
	if mend != nil {
		b.Mends = mends(mend)
	}
	for _, x := range c.Protocol.Schemes {
		b.Sifts = append(b.Sifts, sift{Title: x.Title, Path: b.Base + "/coding?scheme=" + x.Code, On: x.Code == scheme.Code})
	}
	if rule := scheme.Certification; rule != nil {
		b.Rule = ruleInWords(*rule)
	}
	users, err := s.Access.Users(r.Context())
	if err != nil {
		s.failed(w, err)
		return
	}
	names := map[string]string{}
	for _, x := range users {
		names[x.User] = x.Name
		if _, enlisted := c.Judge(x.User); !enlisted && !x.Disabled && x.Has(c.Study, domain.ActorCoder) {
			b.Others = append(b.Others, keyed{x.User, x.Name})
		}
	}
	charts := map[string][]agree.JudgeChart{}
	if scheme.Unit != domain.UnitContinuous && scheme.Unit != domain.UnitEvent && scheme.Unit != domain.UnitTurn {
		for _, d := range scheme.Dimensions {
			list, err := desk.Drift(c, scheme, d.Code)
			if err != nil {
				continue // too little to chart
			}
			charts[d.Code] = list
			for _, x := range list {
				b.Drift = append(b.Drift, driftRow{d.Title, cmp.Or(names[x.Judge], x.Judge), cmp.Or(x.Flagged(), "nothing stands out"), driftChart(x)})
			}
		}
	}
	for _, j := range c.Judges {
		row := judgeOf(c, scheme, j, on)
		row.Name = cmp.Or(names[j.Code], j.Code)
		b.Judges = append(b.Judges, row)
		if why := retrain(c, scheme, j, on, charts); why != "" && !j.Retired {
			b.Retrain = append(b.Retrain, row.Name+": "+why)
		}
	}
	for _, a := range c.Work {
		if a.Scheme != scheme.Code || a.Purpose != domain.PurposeStudy {
			continue
		}
		switch {
		case a.Returned != "":
			b.Totals.Returned++
		case a.Ended:
		case !a.Submitted.IsZero():
			b.Totals.Submitted++
		case !a.Claimed.IsZero():
			b.Totals.Begun++
		default:
			b.Totals.Open++
		}
	}
	for _, k := range c.Clips {
		row := clipRow{Ref: s.clipRef(c.Study, k.Couple, k.Clip), Couple: k.Couple, Clip: k.Clip, Gold: len(k.Criteria[scheme.Code]) > 0}
		given, had := 0, 0
		for _, a := range c.Work {
			if a.Couple == k.Couple && a.Clip == k.Clip && a.Scheme == scheme.Code && a.Purpose == domain.PurposeStudy && !a.Ended {
				had++
				if !a.Submitted.IsZero() {
					given++
				}
			}
		}
		b.Totals.Clips++
		switch {
		case row.Gold:
			b.Totals.Gold++
			row.State = "gold clip"
		case !k.Free || k.Video == nil:
			b.Totals.Blocked++
			row.State = "no recording that may be rated"
		default:
			row.State = fmt.Sprintf("%d of %d judges submitted", given, had)
			if had > 1 && given == had && k.Revealed(scheme.Code) {
				row.Spread = spread(c, k, scheme.Code)
			}
		}
		b.Clips = append(b.Clips, row)
	}
	list, err := desk.Agreement(r.Context(), c, scheme)
	if err != nil {
		s.failed(w, err)
		return
	}
	for _, a := range list {
		b.Agreement = append(b.Agreement, agreementOf(a, names))
	}
	s.staffPage(w, status, "coding.html", "Coding", u.Name, b)
}

func ruleInWords(rule domain.Certification) string {
	var parts []string
	if rule.WithinOne > 0 {
		parts = append(parts, fmt.Sprintf("%.0f %% of scores within one point of the criterion", 100*rule.WithinOne))
	}
	if rule.ICC > 0 {
		parts = append(parts, fmt.Sprintf("an ICC(2,1) of at least %.2f in every dimension", rule.ICC))
	}
	text := strings.Join(parts, " and ") + fmt.Sprintf(" on %d clips", rule.Clips)
	if rule.ValidDays > 0 {
		text += fmt.Sprintf(", renewed after %d days", rule.ValidDays)
	}
	if rule.ProbeShare > 0 {
		text += fmt.Sprintf("; %.0f %% of clips are probes", 100*rule.ProbeShare)
	}
	return text + "."
}

func assessmentInWords(a domain.JudgeAssessed) string {
	icc := "not estimable"
	if a.Assessment.ICC != nil {
		icc = fmt.Sprintf("%.2f", *a.Assessment.ICC)
	}
	verdict := "not passed"
	if a.Passed {
		verdict = "passed"
	}
	return fmt.Sprintf("%s, %s clips %d: within one point %.0f %%, ICC %s, bias %+.2f, %s", a.On, a.Purpose, a.Assessment.Clips, 100*a.Assessment.WithinOne, icc, a.Assessment.Bias, verdict)
}

func judgeOf(c projections.Coding, scheme domain.CodingScheme, j domain.Judge, on domain.Date) judgeRow {
	row := judgeRow{Code: j.Code, Gone: j.Retired}
	st := j.Standings[scheme.Code]
	row.Suspended = st.Suspended
	switch {
	case j.Retired:
		row.State = "codes no longer"
	case st.Suspended:
		row.State = "suspended: " + st.Reason
	case j.AwayOn(on):
		row.State = "on leave"
	case st.Holds(scheme.Certification, on) && scheme.Certification == nil:
		row.State = "may code"
	case st.Holds(scheme.Certification, on):
		row.State = "certified"
		if !st.Until.IsZero() {
			row.State += " through " + st.Until.String()
		}
	default:
		row.State, row.Waits = "not certified", true
	}
	for _, a := range c.Of(j.Code) {
		if a.Scheme != scheme.Code {
			continue
		}
		switch {
		case a.Returned != "":
			row.Returned++
		case a.Ended:
		case a.Submitted.IsZero():
			row.Open++
		default:
			row.Done++
		}
	}
	for _, a := range c.Assessed {
		if a.Judge == j.Code && a.Scheme == scheme.Code {
			row.Last = assessmentInWords(a)
		}
	}
	return row
}

// retrain says why a judge should see training clips again; empty: no reason.
func retrain(c projections.Coding, scheme domain.CodingScheme, j domain.Judge, on domain.Date, charts map[string][]agree.JudgeChart) string {
	st := j.Standings[scheme.Code]
	var why []string
	if st.Suspended {
		why = append(why, "suspended ("+st.Reason+")")
	}
	if st.Certified && !st.Until.IsZero() && st.Until.Before(on.AddDays(14)) {
		why = append(why, "the certification ends on "+st.Until.String())
	}
	for _, a := range slices.Backward(c.Assessed) {
		if a.Judge == j.Code && a.Scheme == scheme.Code {
			if !a.Passed && !st.Suspended {
				why = append(why, "the last assessment was not passed")
			}
			break
		}
	}
	for _, d := range scheme.Dimensions {
		for _, x := range charts[d.Code] {
			if x.Judge == j.Code && x.Flagged() != "" {
				why = append(why, d.Title+" drifts: "+x.Flagged())
			}
		}
	}
	return strings.Join(why, "; ")
}

func interval(v float64, i *agree.Interval) string {
	text := fmt.Sprintf("%.2f", v)
	if i != nil {
		text += fmt.Sprintf(" (%.2f to %.2f)", i.Lower, i.Upper)
	}
	return text
}

func agreementOf(a desk.DimensionAgreement, names map[string]string) agreementRow {
	row := agreementRow{Title: a.Dimension.Title}
	switch {
	case a.BySeconds:
		row.Note = "Seconds in which a judge saw one, against those in which none was seen. Seconds of a clip are alike, so that intervals are too narrow."
	case a.ByMoments:
		row.Note = "Moment for moment. Neighbouring moments are alike, so that intervals are too narrow."
	}
	line := func(x agree.ICC) {
		if x.Err == nil {
			row.All = append(row.All, x.Name+" "+interval(x.Value, x.Interval))
		}
	}
	if a.All != nil {
		if x := a.All.ICC; x != nil {
			line(x.Coefficients[1])
			line(x.Coefficients[4])
		}
		if x := a.All.Incomplete; x != nil {
			line(x.Coefficients[1])
			line(x.Coefficients[6])
		}
		if x := a.All.Alpha; x != nil {
			row.All = append(row.All, "alpha "+interval(x.Value, x.Interval))
		}
	}
	if len(row.All) == 0 {
		row.All = []string{reasonOf(a.Err, "Not enough was submitted yet.")}
	}
	for _, p := range a.Pairs {
		pr := pairRow{Judges: cmp.Or(names[p.Judges[0]], p.Judges[0]) + " and " + cmp.Or(names[p.Judges[1]], p.Judges[1]), Places: p.Places, ICC: "–", Kappa: "–"}
		if p.ICC != nil && p.Err == nil {
			pr.ICC = interval(p.ICC.Value, p.ICC.Interval)
		}
		if p.Kappa != nil {
			pr.Kappa = interval(p.Kappa.Value, p.Kappa.Interval)
		}
		row.Pairs = append(row.Pairs, pr)
	}
	return row
}

func reasonOf(err error, otherwise string) string {
	var e *agree.NotEstimableError
	if errors.As(err, &e) {
		return sentence("not estimable: " + e.Reason)
	}
	return otherwise
}

// spread is the largest difference between judges in one place of a clip.
func spread(c projections.Coding, k projections.CodingClip, scheme string) string {
	type place struct {
		dimension string
		target    domain.Role
		unit      int
	}
	low, high := map[place]float64{}, map[place]float64{}
	for _, a := range c.Work {
		if a.Couple != k.Couple || a.Clip != k.Clip || a.Scheme != scheme || a.Purpose != domain.PurposeStudy {
			continue
		}
		for _, r := range a.Ratings {
			p := place{r.Dimension, r.Target, r.Unit}
			if _, ok := low[p]; !ok {
				low[p], high[p] = r.Value, r.Value
			}
			low[p], high[p] = min(low[p], r.Value), max(high[p], r.Value)
		}
	}
	most := 0.0
	for p := range low {
		most = max(most, high[p]-low[p])
	}
	return number64(most)
}

// driftChart draws a judge's chart: mean deviation by week with its limits. It is drawn from numbers alone.
func driftChart(c agree.JudgeChart) template.HTML {
	const width, height, left, pad = 480.0, 130.0, 40.0, 12.0
	if len(c.Weeks) == 0 {
		return ""
	}
	lo, hi := c.Centre, c.Centre
	for _, w := range c.Weeks {
		lo, hi = min(lo, w.Mean), max(hi, w.Mean)
		if w.Limits != nil {
			lo, hi = min(lo, w.Limits.Lower), max(hi, w.Limits.Upper)
		}
	}
	if hi-lo < 1e-9 || math.IsNaN(hi-lo) {
		lo, hi = c.Centre-1, c.Centre+1
	}
	x := func(i int) float64 {
		return left + pad + (width-left-2*pad)*float64(i)/float64(max(1, len(c.Weeks)-1))
	}
	y := func(v float64) float64 { return pad + (height-3*pad)*(hi-v)/(hi-lo) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %.0f %.0f" role="img" aria-label="Mean deviation by week">`, width, height)
	fmt.Fprintf(&b, `<line class="centre" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="0" y="%.1f">%+.2f</text>`, left, width-pad, y(c.Centre), y(c.Centre), y(c.Centre)+4, c.Centre)
	var line, upper, lower []string
	for i, w := range c.Weeks {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(i), y(w.Mean)))
		if w.Limits != nil {
			upper, lower = append(upper, fmt.Sprintf("%.1f,%.1f", x(i), y(w.Limits.Upper))), append(lower, fmt.Sprintf("%.1f,%.1f", x(i), y(w.Limits.Lower)))
		}
	}
	for _, p := range [][]string{upper, lower} {
		fmt.Fprintf(&b, `<polyline class="line limit" points="%s"/>`, strings.Join(p, " "))
	}
	fmt.Fprintf(&b, `<polyline class="line" points="%s"/>`, strings.Join(line, " "))
	for i, w := range c.Weeks {
		class := ""
		if len(w.Flags) > 0 {
			class = ` class="flag"`
		}
		fmt.Fprintf(&b, `<circle%s cx="%.1f" cy="%.1f" r="4"><title>Week %d: %+.2f, %d ratings</title></circle><text x="%.1f" y="%.0f" text-anchor="middle">%d</text>`, class, x(i), y(w.Mean), w.Week, w.Mean, w.Ratings, x(i), height-4, w.Week)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers alone
}

// changeCoding does one of the things that those do who look after coding.
func (s *server) changeCoding(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	c, scheme, ok := s.codingOf(w, r, u, study)
	if !ok {
		return
	}
	f, on := r.PostForm, today(s.Now())
	judge := f.Get("judge")
	var commands []domain.Command
	var err error
	done := ""
	switch f.Get("do") {
	case "plan":
		if c, err = s.seeded(r, u, c, scheme.Code); err != nil {
			break
		}
		var p desk.Plan
		p, err = desk.PlanStudy(c, scheme.Code, on, uuid.NewString)
		commands, done = p.Commands, fmt.Sprintf("%d assignments were made.", len(p.Commands))
		missing := 0
		for _, x := range p.Short {
			missing += x.Missing
		}
		if missing > 0 {
			done += fmt.Sprintf(" %d more are needed, for which there is no judge who may have the clip.", missing)
		}
	case "train":
		if c, err = s.seeded(r, u, c, scheme.Code); err != nil {
			break
		}
		commands, err = desk.Train(c, scheme.Code, judge, on, uuid.NewString)
		done = fmt.Sprintf("%d training clips were given.", len(commands))
	case "enlist":
		users, e := s.Access.Users(r.Context())
		if e != nil {
			s.failed(w, e)
			return
		}
		if !slices.ContainsFunc(users, func(x access.User) bool { return x.User == judge && !x.Disabled && x.Has(study, domain.ActorCoder) }) {
			err = &domain.Error{Code: domain.NotFound, Path: "judge", Message: "there is no such coder in this study"}
		}
		commands, done = append(commands, domain.EnlistJudge{Study: study, Judge: judge}), "The coder was enlisted."
	case "retire":
		for _, x := range c.Protocol.Schemes {
			commands = append(commands, desk.TakeBack(c, x.Code, judge, "the judge codes no longer")...)
		}
		commands, done = append(commands, domain.RetireJudge{Study: study, Judge: judge}), "The coder codes no longer. Open clips were taken back."
	case "suspend":
		commands, done = append(commands, domain.SuspendJudge{Study: study, Judge: judge, Scheme: scheme.Code, Reason: strings.TrimSpace(f.Get("reason"))}), "The coder was suspended."
	case "take":
		commands = desk.TakeBack(c, scheme.Code, judge, "taken back by the coordinator")
		done = fmt.Sprintf("%d clips were taken back. Plan again to give them to others.", len(commands))
	case "knows":
		couple := strings.TrimSpace(f.Get("couple"))
		if !slices.ContainsFunc(c.Clips, func(k projections.CodingClip) bool { return k.Couple == couple }) {
			err = &domain.Error{Code: domain.NotFound, Path: "couple", Message: "there is no clip of such a couple"}
			break
		}
		for _, a := range c.Of(judge) {
			if a.Couple == couple && !a.Ended && a.Submitted.IsZero() {
				commands = append(commands, domain.RetractAssignment{Study: study, Couple: couple, Assignment: a.ID, Reason: "the judge knows the couple"})
			}
		}
		commands, done = append(commands, domain.AcquaintJudge{Study: study, Judge: judge, Couple: couple}), "It was noted. The coder gets no clip of this couple."
	case "leave":
		from, e1 := domain.ParseDate(f.Get("from"))
		to, e2 := domain.ParseDate(f.Get("to"))
		if err = cmp.Or(e1, e2); err == nil {
			commands, done = append(commands, domain.SendJudgeOnLeave{Study: study, Judge: judge, Leave: domain.Leave{From: from, To: to}}), "The leave was noted."
		}
	default:
		s.noSuchStaffPage(w, r, u)
		return
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
	if c, scheme, ok = s.codingOf(w, r, u, study); ok {
		s.showCoding(w, r, u, c, scheme, status, done, err)
	}
}

// seeded fixes the number from which chance decides, where there is none yet.
func (s *server) seeded(r *http.Request, u access.Staff, c projections.Coding, scheme string) (projections.Coding, error) {
	if _, ok := c.Seeds[scheme]; ok {
		return c, nil
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	if err := s.carryOut(r, u, []domain.Command{domain.SeedCoding{Study: c.Study, Scheme: scheme, Seed: binary.BigEndian.Uint64(b[:])}}); err != nil {
		return c, err
	}
	return s.Desk.Coding(r.Context(), c.Study)
}

// carryOut gives commands one stream after the other; what was made before a refusal stays, and a plan made again goes on from there.
func (s *server) carryOut(r *http.Request, u access.Staff, commands []domain.Command) error {
	for len(commands) > 0 {
		n := 1
		for n < len(commands) && commands[n].Target() == commands[0].Target() {
			n++
		}
		if _, err := s.Executor.ExecuteAll(r.Context(), uuid.New(), s.staffOrders(u, domain.ActorCoordinator, commands[:n]...)); err != nil {
			return err
		}
		commands = commands[n:]
	}
	return nil
}
