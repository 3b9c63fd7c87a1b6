package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/projections"
)

// Board is what the pages of coordinators and clinicians are made from.
type Board interface {
	Couples(ctx context.Context, study string) ([]*projections.BoardCouple, domain.Protocol, error)
	Couple(ctx context.Context, study, couple string) (*projections.BoardCouple, domain.Protocol, error)
}

// studyPage is what the pages of one study have in common.
type studyPage struct {
	Study string
	Base  string // path of the study's pages
	Tabs  []menuLink
	At    string // path of the tab that is open
	Done  string // what was just done
	Mends []string
}

// ofStudyPage makes the frame of a page of a study for a user.
func (s *server) ofStudyPage(r *http.Request, u access.Staff, study string) studyPage {
	p := studyPage{Study: study, Base: "/staff/" + s.studyRef(study)}
	for _, line := range s.table() {
		if line.title == "" || !line.ofStudy || !u.Has(study, line.roles...) {
			continue
		}
		path := strings.Replace(pathOf(line.pattern), "{study}", s.studyRef(study), 1)
		p.Tabs = append(p.Tabs, menuLink{line.title, path})
		if strings.HasPrefix(r.URL.Path, path) && len(path) > len(p.At) {
			p.At = path
		}
	}
	return p
}

// coupleRef stands for a couple in URLs.
func (s *server) coupleRef(study, couple string) string {
	return CoupleRef(s.Access, study, couple)
}

// CoupleRef is what stands for a couple in the URLs of staff pages.
func CoupleRef(a *access.Store, study, couple string) string {
	return lowerBase32.EncodeToString(a.Keyed("couple in a URL", study, couple)[:10])
}

// coupleState is how a couple stands at a moment, as far as looking after it needs.
type coupleState struct {
	Ref     string
	Code    string
	Site    string
	Since   domain.Date
	Apart   domain.Date
	Persons []personState
	Due     int // partners who have something open
	Overlap string
	Flags   int
	both    int // closed occasions that both answered
	closed  int // closed occasions of both
}

// personState is how one partner stands.
type personState struct {
	Label     string // of the role
	Role      domain.Role
	Word      string // how it stands, in a word or two
	Kind      string // class of the word
	OnTime    int
	Late      int
	Missed    int
	Reminders int // sent
	Failed    int // not delivered
	Flags     int
	Open      []domain.Offer
	Next      time.Time
	Zone      *time.Location
}

// Gone reports whether the partner takes part no longer.
func (p personState) Gone() bool { return p.Kind == "gone" }

// stateOf works out how a couple stands.
func (s *server) stateOf(study string, p domain.Protocol, c *projections.BoardCouple, now time.Time) coupleState {
	st := coupleState{Ref: s.coupleRef(study, c.Code), Code: c.Code, Site: c.Site, Since: c.EnrolledOn, Apart: c.SeparatedOn}
	done := map[domain.Occasion]int{}
	over := map[domain.Occasion]int{}
	for _, label := range p.Roles {
		who, ok := c.Person(label.Role)
		if !ok {
			st.Persons = append(st.Persons, personState{Label: label.Label, Role: label.Role, Word: "erased", Kind: "gone"})
			continue
		}
		ps := personState{Label: label.Label, Role: label.Role, Flags: len(who.Flags), Zone: zoneOf(who.Zone)}
		st.Flags += ps.Flags
		for _, o := range who.Offers {
			switch {
			case o.Timing == domain.TimingLate:
				ps.Late++
			case o.Done:
				ps.OnTime++
			case o.Missed || o.Asked && !now.Before(o.Window.Ends):
				ps.Missed++
			case o.Open(now):
				ps.Open = append(ps.Open, o)
			case o.Asked && now.Before(o.Window.Opens) && (ps.Next.IsZero() || o.Window.Opens.Before(ps.Next)):
				ps.Next = o.Window.Opens
			}
			if o.Done {
				done[o.Occasion]++
			}
			if o.Done || o.Missed || o.Asked && !now.Before(o.Window.Ends) {
				over[o.Occasion]++
			}
		}
		for _, m := range who.Prompts {
			if !m.Sent.IsZero() {
				ps.Reminders++
			}
			if m.Reason == domain.PromptRefused || m.Reason == domain.PromptUnreached || m.Reason == domain.PromptNoAddress {
				ps.Failed++
			}
		}
		ps.Word, ps.Kind = inAWord(who, ps, now)
		if len(ps.Open) > 0 {
			st.Due++
		}
		st.Persons = append(st.Persons, ps)
	}
	for o, n := range over {
		if n == len(p.Roles) {
			st.closed++
			if done[o] == n {
				st.both++
			}
		}
	}
	if st.closed > 0 {
		st.Overlap = fmt.Sprintf("%d of %d", st.both, st.closed)
	}
	return st
}

func inAWord(who projections.BoardPerson, ps personState, now time.Time) (word, kind string) {
	switch {
	case !who.WithdrawnOn.IsZero():
		return "withdrew " + who.WithdrawnOn.String(), "gone"
	case len(who.Consents) == 0:
		return "not joined yet", "wait"
	case !who.SeparatedOn.IsZero():
		return "says separated", "gone"
	}
	late := slices.ContainsFunc(ps.Open, func(o domain.Offer) bool { return !now.Before(o.Window.Closes) })
	switch {
	case late:
		return "late", "late"
	case len(ps.Open) > 0:
		return "due", "due"
	case ps.Next.IsZero():
		return "all done", "done"
	}
	return "next " + ps.Next.In(ps.Zone).Format("2 Jan 15:04"), "done"
}

func zoneOf(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil {
		return z
	}
	return time.UTC
}

// shows lists how the couples can be sifted.
var shows = []struct {
	Key, Title string
	is         func(coupleState) bool
}{
	{"", "All", func(coupleState) bool { return true }},
	{"due", "Due now", func(c coupleState) bool { return c.Due > 0 }},
	{"one", "One of two due", func(c coupleState) bool { return c.Due == 1 }},
	{"late", "Late", func(c coupleState) bool { return someone(c, func(p personState) bool { return p.Kind == "late" }) }},
	{"missed", "Missed something", func(c coupleState) bool { return someone(c, func(p personState) bool { return p.Missed > 0 }) }},
	{"mail", "Reminder not delivered", func(c coupleState) bool { return someone(c, func(p personState) bool { return p.Failed > 0 }) }},
	{"flags", "Flags", func(c coupleState) bool { return c.Flags > 0 }},
	{"gone", "Withdrew or separated", func(c coupleState) bool {
		return !c.Apart.IsZero() || someone(c, personState.Gone)
	}},
}

func someone(c coupleState, is func(personState) bool) bool {
	return slices.ContainsFunc(c.Persons, is)
}

type sift struct {
	Title, Path string
	Count       int
	On          bool
}

// couplesPerPage bounds a page of couples.
const couplesPerPage = 50

type couplesBody struct {
	studyPage
	Sifts   []sift
	Couples []coupleState
	Labels  []string
	Totals  struct{ Couples, Both, One, Neither, Withdrawn, Reminders, Failed, Flags int }
	Overlap string
	From    int
	To      int
	Of      int
	Before  string // path of the page before; empty: none
	After   string
}

// couplesPage lists the couples of a study and how they stand.
func (s *server) couplesPage(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	list, protocol, err := s.Board.Couples(r.Context(), study)
	if err != nil {
		s.failed(w, err)
		return
	}
	b := couplesBody{studyPage: s.ofStudyPage(r, u, study)}
	for _, l := range protocol.Roles {
		b.Labels = append(b.Labels, l.Label)
	}
	now, show := s.Now(), r.URL.Query().Get("show")
	states := make([]coupleState, len(list))
	both, closed := 0, 0
	for i, c := range list {
		st := s.stateOf(study, protocol, c, now)
		states[i] = st
		b.Totals.Couples++
		switch st.Due {
		case 0:
			b.Totals.Neither++
		case 1:
			b.Totals.One++
		default:
			b.Totals.Both++
		}
		for _, p := range st.Persons {
			if p.Gone() {
				b.Totals.Withdrawn++
			}
			b.Totals.Reminders += p.Reminders
			b.Totals.Failed += p.Failed
		}
		b.Totals.Flags += st.Flags
		both, closed = both+st.both, closed+st.closed
	}
	if closed > 0 {
		b.Overlap = fmt.Sprintf("%d %%", 100*both/closed)
	}
	var shown []coupleState
	for _, k := range shows {
		f := sift{Title: k.Title, Path: b.Base + "/couples", On: k.Key == show}
		if k.Key != "" {
			f.Path += "?show=" + k.Key
		}
		for _, st := range states {
			if k.is(st) {
				f.Count++
				if f.On {
					shown = append(shown, st)
				}
			}
		}
		b.Sifts = append(b.Sifts, f)
	}
	page := max(0, number(r.URL.Query().Get("page")))
	link := func(n int) string {
		path := fmt.Sprintf("%s/couples?page=%d", b.Base, n)
		if show != "" {
			path += "&show=" + show
		}
		return path
	}
	b.Of, b.From = len(shown), min(page*couplesPerPage, len(shown))
	b.To = min(b.From+couplesPerPage, len(shown))
	if page > 0 && b.From > 0 {
		b.Before = link(page - 1)
	}
	if b.To < len(shown) {
		b.After = link(page + 1)
	}
	b.Couples = shown[b.From:b.To]
	b.From++
	s.staffPage(w, http.StatusOK, "couples.html", "Couples", u.Name, b)
}

// number reads a small number; 0 for anything else.
func number(text string) (n int) {
	if len(text) > 6 {
		return 0
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// findCouple goes to a couple by its code, which comes in the body so that no URL holds it.
func (s *server) findCouple(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	code := strings.TrimSpace(r.PostForm.Get("code"))
	if _, _, err := s.Board.Couple(r.Context(), study, code); err != nil {
		s.refuse(w, r, u, study, err)
		return
	}
	http.Redirect(w, r, "/staff/"+s.studyRef(study)+"/couples/"+s.coupleRef(study, code), http.StatusSeeOther)
}

// couple finds the couple that {couple} in the URL refers to, or answers that there is none.
func (s *server) couple(w http.ResponseWriter, r *http.Request, u access.Staff, study string) (*projections.BoardCouple, domain.Protocol, bool) {
	list, protocol, err := s.Board.Couples(r.Context(), study)
	if err != nil {
		s.failed(w, err)
		return nil, protocol, false
	}
	for _, c := range list {
		if s.coupleRef(study, c.Code) == r.PathValue("couple") {
			return c, protocol, true
		}
	}
	s.noSuchStaffPage(w, r, u)
	return nil, protocol, false
}

// refuse answers what was asked of a study and cannot be done, with everything that is to be mended.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, u access.Staff, study string, err error) {
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		s.failed(w, err)
		return
	}
	p := s.ofStudyPage(r, u, study)
	p.Mends = mends(err)
	s.staffPage(w, status, "refused.html", "Not done", u.Name, p)
}

// statusOf is the HTTP status of what came of what was asked; one of 500 and more is a failure of ours.
func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	switch domain.CodeOf(err) {
	case domain.Invalid:
		return http.StatusUnprocessableEntity
	case domain.NotFound:
		return http.StatusNotFound
	case domain.Conflict, domain.Forbidden:
		return http.StatusConflict
	case domain.Limited:
		return http.StatusLocked
	}
	return http.StatusServiceUnavailable
}

// mends lists what is wrong, a sentence each.
func mends(err error) (list []string) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			list = append(list, mends(e)...)
		}
		return list
	}
	var e *domain.Error
	if !errors.As(err, &e) {
		return []string{"It could not be done."}
	}
	return []string{sentence(e.Message)}
}

// staffOrders makes orders that a user of the staff gives now.
func (s *server) staffOrders(u access.Staff, as domain.ActorRole, commands ...domain.Command) []domain.Order {
	list := make([]domain.Order, len(commands))
	for i, c := range commands {
		list[i] = domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: as, Subject: u.User}, At: s.Now(), Command: c}
	}
	return list
}
