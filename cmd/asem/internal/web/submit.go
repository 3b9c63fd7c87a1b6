package web

import (
	"crypto/hmac"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// outcome tells a script what became of what it sent.
type outcome struct {
	State string `json:"state"`        // received, kept, closed, invalid, other, expired, bad or busy
	At    string `json:"at,omitempty"` // when it was received, as the page would write it
	To    string `json:"to,omitempty"` // the page to show
}

// sentForm is the page of a part that has been sent, or cannot be.
type sentForm struct {
	Title  string
	Lines  []string
	Wrong  bool
	Next   string // address of the next part
	Help   bool   // what was answered is a reason to offer help
	Choice bool   // lead to the choices
}

// form shows a part: its questions, or what became of it.
func (v *visit) form() {
	p, ok := v.find(v.r.PathValue("id"))
	if !ok {
		v.notFound()
		return
	}
	if entry, ok := v.entry(p); ok {
		v.render(http.StatusOK, "sent", "", v.received(p, entry))
		return
	}
	if s, closed := v.closed(p, v.now); closed {
		v.render(http.StatusOK, "sent", "", s)
		return
	}
	if v.sensitive(p) && v.r.URL.Query().Get("now") != "yes" {
		v.render(http.StatusOK, "moment", "", v.id(p))
		return
	}
	questions, ok := v.questions(p)
	if !ok {
		v.render(http.StatusOK, "message", "", message{Title: v.titleOf(p), Lines: []string{v.T("form.nowording")}})
		return
	}
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("started/"+v.id(p))) // the first time counts
	if _, err := v.execute(id, v.now, domain.StartForm{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Occasion: p.Occasion, At: v.now}); err != nil {
		v.failed(err)
		return
	}
	v.showForm(http.StatusOK, p, questions, uuid.NewString(), v.issue(p), nil)
}

func (v *visit) showForm(status int, p part, questions []question, command, issued string, faults []fault) {
	v.render(status, "form", "", form{
		ID: v.id(p), Action: "/me/f/" + v.id(p) + "?lang=" + v.Tag, Title: v.titleOf(p), Lead: v.leadOf(p),
		Command: command, Issued: issued, Questions: questions, Faults: faults, Restored: faults != nil,
	})
}

func (v *visit) titleOf(p part) string {
	if p.Burst != "" {
		return v.T("form.diary")
	}
	return v.T("form.wave")
}

func (v *visit) leadOf(p part) string {
	if p.Burst != "" {
		return v.T("form.diaryOf", v.Day(p.Day.Start(time.UTC)))
	}
	if p.Count > 1 {
		return v.T("today.parts", p.Index, p.Count)
	}
	return ""
}

// sensitive reports whether somebody should be alone to see a part.
func (v *visit) sensitive(p part) bool {
	return slices.ContainsFunc(p.Refs, func(r domain.InstrumentRef) bool { return v.past.Study.Protocol.Showing(r.Code).Sensitive })
}

// entry returns what was sent for a part.
func (v *visit) entry(p part) (domain.Entry, bool) {
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		if !e.Missed && e.Occasion == p.Occasion && (p.Burst != "" || e.Instrument == p.Refs[0].Code) {
			return e, true
		}
	}
	return domain.Entry{}, false
}

// closed tells why a part cannot be answered at an instant, if it cannot.
func (v *visit) closed(p part, at time.Time) (sentForm, bool) {
	s := sentForm{Title: v.T("closed")}
	switch {
	case !p.Asked:
		s.Lines, s.Choice = []string{v.T("closed.consent")}, true
	case p.Missed:
		s.Lines = []string{v.T("closed.missed")}
	case at.Before(p.Window.Opens):
		s.Lines = []string{v.T("closed.early", v.Moment(p.Window.Opens.In(v.zone)))}
	case !at.Before(p.Window.Ends):
		s.Lines = []string{v.T("closed.over", v.Moment(p.Window.Ends.In(v.zone)))}
	default:
		return sentForm{}, false
	}
	return s, true
}

// received is the page of what has arrived.
func (v *visit) received(p part, e domain.Entry) sentForm {
	at := e.FilledAt.In(v.zone)
	s := sentForm{Title: v.T("today.receivedOn", v.Moment(at)), Lines: []string{v.T("received.thanks")}}
	if sameDay(at, v.now) {
		s.Title = v.T("received", v.Time(at))
	}
	if e.Timing == domain.TimingLate {
		s.Lines = append(s.Lines, v.T("received.late"))
	}
	for _, other := range parts(v.past, p.Offer) {
		if _, sent := v.entry(other); !sent && other.Open(v.now) {
			s.Next = v.id(other)
			break
		}
	}
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		if e.Occasion != p.Occasion {
			continue
		}
		for _, rule := range v.past.Study.Protocol.Showing(e.Instrument).Risk {
			s.Help = s.Help || slices.ContainsFunc(e.Answers, func(a domain.Answer) bool { return a.Item == rule.Item && a.Value != nil && *a.Value >= rule.AtLeast })
		}
	}
	return s
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// issue says when a part was shown, so that nobody can claim a time before it was.
func (v *visit) issue(p part) string {
	at := strconv.FormatInt(v.now.UnixMilli(), 10)
	return at + "." + v.opaque(append(p.key(), at)...)
}

// times returns when a part was shown and when it was filled in: some time after it was shown, as the browser measured it, for it may have had no connection
// since. The clock of the phone itself is not asked.
func (v *visit) times(p part, posted url.Values) (started, filled time.Time) {
	at, seal, _ := strings.Cut(posted.Get("issued"), ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !hmac.Equal([]byte(seal), []byte(v.opaque(append(p.key(), at)...))) {
		return time.Time{}, v.now
	}
	started, filled = time.UnixMilli(ms), v.now
	if took, err := strconv.ParseInt(posted.Get("after"), 10, 64); err == nil && took >= 0 {
		if claimed := started.Add(time.Duration(min(took, 1<<40)) * time.Millisecond); claimed.Before(filled) {
			filled = claimed
		}
	}
	return started, filled
}

// submission takes what was sent. Who is not signed in any more can sign in with it, and loses nothing.
func (s *server) submission() guarded {
	return participantsOr(func(w http.ResponseWriter, r *http.Request, p access.Participant) {
		if v := s.visit(w, r, p); v != nil {
			v.take()
		}
	}, func(w http.ResponseWriter, r *http.Request) {
		v := s.visitor(w, r)
		if err := r.ParseForm(); err != nil {
			v.bad()
			return
		}
		code := r.PostForm.Get("signin-code")
		if code == "" {
			v.expired("")
			return
		}
		me, err := s.SignInParticipant(r, code, r.PostForm.Get("signin-pin"))
		ok := false
		switch {
		case access.Limited(err):
			v.expired(v.T("signin.limited"))
			return
		case access.Refused(err) || isMistyped(err):
			v.expired(v.T("expired.wrong"))
			return
		case err == nil:
			ok, err = v.load(me)
		}
		switch {
		case err != nil:
			v.failed(err)
		case !ok:
			v.expired("")
		default:
			v.take()
		}
	})
}

// expired keeps what was posted on a page on which to sign in again.
func (v *visit) expired(problem string) {
	if v.wantsJSON() {
		v.json(http.StatusUnauthorized, outcome{State: "expired", To: "/in"})
		return
	}
	type field struct{ Name, Value string }
	body := struct {
		Action, Problem string
		Fields          []field
	}{Action: v.r.URL.RequestURI(), Problem: problem}
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	for _, name := range slices.Sorted(maps.Keys(v.r.PostForm)) {
		if name == "signin-code" || name == "signin-pin" {
			continue
		}
		for _, value := range v.r.PostForm[name] {
			body.Fields = append(body.Fields, field{name, value})
		}
	}
	if at, _, ok := strings.Cut(v.r.PostForm.Get("issued"), "."); ok && v.r.PostForm.Get("after") == "" {
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil { // the time of sending counts, not that of signing in
			body.Fields = append(body.Fields, field{"after", strconv.FormatInt(v.now.UnixMilli()-ms, 10)})
		}
	}
	v.render(http.StatusUnauthorized, "expired", "", body)
}

// take stores what was sent, or says why not.
func (v *visit) take() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	p, ok := v.find(v.r.PathValue("id"))
	if !ok {
		v.end(http.StatusConflict, "other", sentForm{Title: v.T("other"), Lines: []string{v.T("other.text")}, Wrong: true})
		return
	}
	command, err := uuid.Parse(v.r.PostForm.Get("command"))
	if err != nil {
		v.bad()
		return
	}
	questions, ok := v.questions(p)
	if !ok {
		v.bad()
		return
	}
	got := v.read(p, v.r.PostForm, questions)
	started, filled := v.times(p, v.r.PostForm)
	if v.settled(p, got, filled) {
		return
	}
	if len(got.faults) > 0 {
		if v.wantsJSON() {
			v.json(http.StatusUnprocessableEntity, outcome{State: "invalid"})
			return
		}
		v.showForm(http.StatusUnprocessableEntity, p, questions, command.String(), v.r.PostForm.Get("issued"), got.faults)
		return
	}
	if err := v.store(p, got, command, started, filled); err != nil {
		// Another tab may have been faster, or a window may have closed in this moment.
		if ok, again := v.load(v.me); again == nil && ok {
			if now, found := v.find(v.id(p)); found && v.settled(now, got, filled) {
				return
			}
		}
		v.failed(err)
		return
	}
	v.done(p)
}

// settled answers for a part that was sent before or is not open. It reports whether it has.
func (v *visit) settled(p part, got reading, filled time.Time) bool {
	if e, sent := v.entry(p); sent {
		if len(got.faults) == 0 && v.same(p, got) {
			v.done(p)
			return true
		}
		at := e.FilledAt.In(v.zone)
		v.end(http.StatusConflict, "kept", sentForm{Title: v.T("kept"), Lines: []string{v.T("kept.text", v.Moment(at))}})
		return true
	}
	if s, closed := v.closed(p, filled); closed {
		s.Lines, s.Wrong = append(s.Lines, v.T("closed.stored")), true
		v.end(http.StatusConflict, "closed", s)
		return true
	}
	return false
}

// same reports whether what came now is what was sent before.
func (v *visit) same(p part, got reading) bool {
	before := map[string]domain.Entry{}
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		if e.Occasion == p.Occasion {
			before[e.Instrument] = e
		}
	}
	for _, e := range got.entries {
		if !reflect.DeepEqual(before[e.Instrument].Answers, e.Answers) {
			return false
		}
	}
	for _, n := range v.past.Couple.Notes(v.me.Role) {
		if text, again := got.notes[n.Prompt]; n.Occasion == p.Occasion && again && text != n.Text {
			return false
		}
	}
	return true
}

func (v *visit) store(p part, got reading, command uuid.UUID, started, filled time.Time) error {
	var c domain.Command
	if p.Burst != "" {
		c = domain.SubmitDiary{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Burst: p.Burst, Day: p.Day, Entries: got.entries, StartedAt: started, FilledAt: filled}
	} else {
		e := got.entries[0]
		c = domain.SubmitQuestionnaire{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Wave: p.Wave, Instrument: p.Refs[0],
			Answers: e.Answers, ShownOrder: e.ShownOrder, StartedAt: started, FilledAt: filled}
	}
	// The id that the browser made counts for this person and this part alone: nobody else's order can stand in its way.
	id := uuid.NewSHA1(command, []byte(v.id(p)))
	if _, err := v.execute(id, filled, c); err != nil {
		return err
	}
	for _, n := range p.Notes {
		if text := got.notes[n.Code]; text != "" {
			note := domain.WriteNote{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Occasion: p.Occasion, Prompt: n.Code, Text: text, WrittenAt: filled}
			if _, err := v.execute(uuid.NewSHA1(id, []byte(n.Code)), filled, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// done shows that a part has arrived, on a page of its own: loading it again sends nothing.
func (v *visit) done(p part) {
	if !v.wantsJSON() {
		v.redirect("/me/f/" + v.id(p))
		return
	}
	o := outcome{State: "received", To: "/me/f/" + v.id(p)}
	if ok, err := v.load(v.me); err == nil && ok {
		if e, sent := v.entry(p); sent {
			o.At = v.Time(e.FilledAt.In(v.zone))
		}
	}
	v.json(http.StatusOK, o)
}

func (v *visit) end(status int, state string, s sentForm) {
	if v.wantsJSON() {
		v.json(status, outcome{State: state, To: v.r.URL.Path})
		return
	}
	v.render(status, "sent", "", s)
}
