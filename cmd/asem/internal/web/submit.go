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
	if err := v.start(p, v.now); err != nil {
		v.failed(err)
		return
	}
	v.render(http.StatusOK, "form", "", v.formOf(p, questions, uuid.NewString(), v.now))
}

// start records when a part was opened; the first time counts.
func (v *visit) start(p part, at time.Time) error {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("started/"+v.id(p)))
	_, err := v.execute(id, at, domain.StartForm{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Occasion: p.Occasion, At: at})
	return err
}

// formOf is a part as it is shown to whom it was made for at an instant.
func (v *visit) formOf(p part, questions []question, command string, made time.Time) form {
	return form{
		ID: v.id(p), Action: "/me/f/" + v.id(p) + "?lang=" + v.Tag, Title: v.titleOf(p), Lead: v.leadOf(p),
		Command: command, Issued: v.issue(p, made), Questions: questions,
	}
}

func (v *visit) titleOf(p part) string {
	if p.Burst != "" {
		return v.T("form.diary")
	}
	return v.T("form.wave")
}

func (v *visit) leadOf(p part) string {
	if p.Burst != "" {
		return v.Day(p.Day.Start(time.UTC))
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
	case v.gone():
		s.Lines = []string{v.T("today.withdrawn")}
	case !p.Asked:
		s.Lines, s.Choice = []string{v.T("closed.consent")}, true
	case p.Missed && p.Burst != "" && !at.Before(p.Window.Ends): // what was filled in before may still come in, from a phone that had no connection
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
		if _, sent := v.entry(other); !sent && v.open(other.Offer) {
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

// issue says when a part was made, so that nobody can claim a time before it was.
func (v *visit) issue(p part, made time.Time) string {
	at := strconv.FormatInt(made.UnixMilli(), 10)
	return at + "." + v.opaque(append(p.key(), at)...)
}

// times returns when a part was opened and when it was filled in: some time after it was made, as the browser measured it, for it may have had no connection
// since. A part that is shown as it is made is opened in that moment; one that the phone had kept says how much later it was. The clock of the phone itself is not
// asked, and whatever it says, neither time is before the part was made and open, or after it arrived.
func (v *visit) times(p part, posted url.Values) (started, filled time.Time) {
	at, seal, _ := strings.Cut(posted.Get("issued"), ".")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !hmac.Equal([]byte(seal), []byte(v.opaque(append(p.key(), at)...))) {
		return time.Time{}, v.now
	}
	made := time.UnixMilli(ms)
	measured := func(field string, unknown, latest time.Time) time.Time {
		took, err := strconv.ParseInt(posted.Get(field), 10, 64)
		if err != nil || took < 0 {
			return unknown
		}
		return earlier(made.Add(time.Duration(min(took, 1<<40))*time.Millisecond), latest)
	}
	filled = measured("after", v.now, v.now)
	return later(measured("opened", made, filled), p.Window.Opens), filled
}

// earlier is the earlier of two instants.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
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
	p, ok := v.find(v.r.PathValue("id"))
	if !ok {
		v.notYours()
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
	if v.r.PostForm.Get("opened") != "" { // without a connection, so that the server hears of it only now
		if err := v.start(p, started); err != nil {
			v.failed(err)
			return
		}
	}
	if len(got.faults) > 0 {
		if v.wantsJSON() {
			v.json(http.StatusUnprocessableEntity, outcome{State: "invalid"})
			return
		}
		if started.IsZero() { // made by nobody
			started = v.now
		}
		again := v.formOf(p, questions, command.String(), started)
		again.Passed, again.Faults, again.Restored = v.now.Sub(started).Milliseconds(), got.faults, true
		v.render(http.StatusUnprocessableEntity, "form", "", again)
		return
	}
	if err := v.store(p, got, command, started, filled); err != nil {
		// Another tab may have been faster, or a window may have closed in this moment.
		if ok, again := v.load(v.me); again == nil && ok {
			if now, found := v.find(v.id(p)); found && v.settled(now, got, filled) {
				return
			}
		}
		if code := domain.CodeOf(err); code == domain.Conflict || code == domain.Forbidden { // such as after a separation that ends what is asked
			v.refuse("closed", sentForm{Title: v.T("closed"), Lines: []string{v.T("closed.stored")}, Wrong: true})
			return
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
		v.refuse("kept", sentForm{Title: v.T("kept"), Lines: []string{v.T("kept.text", v.Moment(at))}, Wrong: true})
		return true
	}
	if s, closed := v.closed(p, filled); closed {
		s.Lines, s.Wrong = append(s.Lines, v.T("closed.stored")), true
		v.refuse("closed", s)
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

// notYours refuses what was made for somebody else who uses the same phone.
func (v *visit) notYours() {
	v.refuse("other", sentForm{Title: v.T("other"), Lines: []string{v.T("other.text")}, Wrong: true})
}

// refuse tells why what was sent was not taken.
func (v *visit) refuse(state string, s sentForm) {
	if v.wantsJSON() {
		v.json(http.StatusConflict, outcome{State: state, To: v.r.URL.Path})
		return
	}
	v.render(http.StatusConflict, "sent", "", s)
}
