package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/projections"
)

type enrolBody struct {
	studyPage
	Code      string // suggested
	Today     domain.Date
	Sites     []domain.Site
	Roles     []domain.RoleLabel
	Languages []string
	Zone      string
	Filled    map[string]string // what was sent, where it has to be mended
}

// enrolForm asks for a new couple.
func (s *server) enrolForm(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	s.showEnrolForm(w, r, u, study, http.StatusOK, nil, nil)
}

func (s *server) showEnrolForm(w http.ResponseWriter, r *http.Request, u access.Staff, study string, status int, filled map[string]string, err error) {
	list, protocol, e := s.Board.Couples(r.Context(), study)
	if e != nil {
		s.failed(w, e)
		return
	}
	past, e := s.Executor.Past(r.Context(), study, "")
	if e != nil {
		s.failed(w, e)
		return
	}
	b := enrolBody{studyPage: s.ofStudyPage(r, u, study), Code: nextCode(list), Today: today(s.Now().In(zoneOf(past.Study.Zone))), Sites: protocol.Sites, Roles: protocol.Roles, Languages: protocol.AskedIn(), Zone: past.Study.Zone, Filled: filled}
	if err != nil {
		b.Mends = mends(err)
	}
	s.staffPage(w, status, "enrol-couple.html", "Enrol a couple", u.Name, b)
}

// nextCode suggests the number after the highest that is in use.
func nextCode(list []*projections.BoardCouple) string {
	most := 0
	for _, c := range list {
		if n, err := strconv.Atoi(c.Code); err == nil && n < 1_000_000 {
			most = max(most, n)
		}
	}
	return fmt.Sprintf("%03d", most+1)
}

// newCouple is what enrolment needs to know.
type newCouple struct {
	study, code, site string
	on                domain.Date
	people            []newPerson
}

type newPerson struct {
	role                  domain.Role
	zone, language, email string
}

// enrol brings a couple into a study: in one append it is enrolled, its partners' languages and addresses are noted, and chance decides on its arm, where there are any.
func (s *server) enrol(ctx context.Context, study *domain.Study, n newCouple, order func(domain.Command) domain.Order) error {
	var orders []domain.Order
	add := func(c domain.Command) { orders = append(orders, order(c)) }
	e := domain.EnrolCouple{Study: n.study, Couple: n.code, EnrolledOn: n.on, Site: n.site}
	for _, p := range n.people {
		e.Participants = append(e.Participants, domain.NewParticipant{Role: p.role, Code: n.code + "-" + string(p.role), Zone: p.zone})
	}
	add(e)
	units := []domain.Role{""}
	if r := study.Protocol.Randomise; r != nil && r.Unit == domain.RandomisePersons {
		units = nil
	}
	for _, p := range n.people {
		if p.language != "" {
			add(domain.ChooseLanguage{Study: n.study, Couple: n.code, Role: p.role, Language: p.language})
		}
		if p.email != "" {
			add(domain.ChangeContact{Study: n.study, Couple: n.code, Role: p.role, Email: p.email})
		}
		if study.Protocol.Randomise != nil && study.Protocol.Randomise.Unit == domain.RandomisePersons {
			units = append(units, p.role)
		}
	}
	if study.Protocol.Randomise != nil {
		for _, role := range units {
			add(domain.TakePlace{Study: n.study, Couple: n.code, Role: role, Stratum: n.site})
			add(domain.Randomise{Study: n.study, Couple: n.code, Role: role})
		}
	}
	if _, err := s.Executor.ExecuteAll(ctx, uuid.New(), orders); err != nil {
		return err
	}
	for _, p := range n.people {
		if p.email == "" {
			continue
		}
		address, err := access.NormalEmail(p.email)
		if err == nil {
			err = s.Access.SetEmail(ctx, access.Participant{Study: n.study, Couple: n.code, Role: p.role}, address)
		}
		if err != nil {
			return fmt.Errorf("the couple is enrolled, and one address cannot be used to sign in: %w", err)
		}
	}
	return nil
}

// enrolCouple enrols a couple and shows the letters that let its partners in.
func (s *server) enrolCouple(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	past, err := s.Executor.Past(r.Context(), study, "")
	if err != nil {
		s.failed(w, err)
		return
	}
	f := r.PostForm
	filled := map[string]string{}
	for k := range f {
		filled[k] = f.Get(k)
	}
	n := newCouple{study: study, code: strings.TrimSpace(f.Get("code")), site: f.Get("site")}
	addresses := map[string]bool{}
	for _, l := range past.Study.Protocol.Roles {
		p := newPerson{role: l.Role, zone: strings.TrimSpace(f.Get("zone-" + string(l.Role))), language: f.Get("language-" + string(l.Role)), email: strings.TrimSpace(f.Get("email-" + string(l.Role)))}
		n.people = append(n.people, p)
		if p.email != "" && err == nil {
			var address string
			if address, err = access.NormalEmail(p.email); err == nil && addresses[address] {
				err = &domain.Error{Code: domain.Invalid, Path: "email", Message: "both partners have the same address; each needs one of their own, or none"}
			}
			addresses[address] = true
		}
	}
	if n.on, err = orFirst(err, func() (domain.Date, error) { return domain.ParseDate(f.Get("on")) }); err == nil {
		if _, _, e := s.Board.Couple(r.Context(), study, n.code); e == nil {
			err = &domain.Error{Code: domain.Conflict, Path: "code", Message: fmt.Sprintf("there is a couple %s already; choose another code", n.code)}
		}
	}
	if err == nil {
		err = s.enrol(r.Context(), past.Study, n, func(c domain.Command) domain.Order { return s.staffOrders(u, domain.ActorCoordinator, c)[0] })
	}
	if code := domain.CodeOf(err); err != nil && (code == domain.Internal || code == domain.Unavailable) {
		s.failed(w, err)
		return
	}
	if err != nil {
		s.showEnrolForm(w, r, u, study, http.StatusUnprocessableEntity, filled, err)
		return
	}
	c, protocol, err := s.Board.Couple(r.Context(), study, n.code)
	if err != nil {
		s.failed(w, err)
		return
	}
	var letters []letter
	for _, p := range n.people {
		cred, err := s.Access.IssueCode(r.Context(), access.Participant{Study: study, Couple: n.code, Role: p.role})
		if err != nil {
			s.failed(w, err)
			return
		}
		letters = append(letters, s.letterFor(protocol, c, p.role, cred))
	}
	s.showLetters(w, r, u, study, protocol, n.code, letters)
}

// orFirst does something unless something before it failed.
func orFirst[T any](before error, do func() (T, error)) (T, error) {
	if before != nil {
		var none T
		return none, before
	}
	return do()
}

// letter lets one partner in. It is printed, each on a sheet of its own, and shown once.
type letter struct {
	Label    string // of the role
	Language string
	Code     string
	PIN      string
}

type lettersBody struct {
	studyPage
	Code    string
	Ref     string
	Address string // where to sign in
	Letters []letter
}

func (s *server) letterFor(protocol domain.Protocol, c *projections.BoardCouple, role domain.Role, cred access.Credential) letter {
	who, _ := c.Person(role)
	l := letter{Language: who.Language, Code: cred.Code.String(), PIN: cred.PIN[:3] + " " + cred.PIN[3:]}
	if l.Language == "" {
		l.Language = protocol.AskedIn()[0]
	}
	for _, label := range protocol.Roles {
		if label.Role == role {
			l.Label = label.Label
		}
	}
	return l
}

func (s *server) showLetters(w http.ResponseWriter, r *http.Request, u access.Staff, study string, _ domain.Protocol, couple string, letters []letter) {
	s.staffPage(w, http.StatusOK, "letters.html", "Letters", u.Name, lettersBody{s.ofStudyPage(r, u, study), couple, s.coupleRef(study, couple), s.Base + "/in", letters})
}

type invitationsBody struct {
	studyPage
	List    []access.Invitation
	Waiting int
	Link    string // of the invitation just opened, shown once
	Now     time.Time
}

// invitations lists the open invitations of a study.
func (s *server) invitations(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	s.showInvitations(w, r, u, study, "")
}

func (s *server) showInvitations(w http.ResponseWriter, r *http.Request, u access.Staff, study, link string) {
	list, waiting, err := s.Access.Invitations(r.Context(), study)
	if err != nil {
		s.failed(w, err)
		return
	}
	s.staffPage(w, http.StatusOK, "invitations.html", "Open invitations", u.Name, invitationsBody{s.ofStudyPage(r, u, study), list, waiting, link, s.Now()})
}

// changeInvitations opens an invitation or closes one.
func (s *server) changeInvitations(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	if id := r.PostForm.Get("close"); id != "" {
		if err := s.Access.CloseInvitation(r.Context(), study, id); err != nil {
			s.refuse(w, r, u, study, err)
			return
		}
		http.Redirect(w, r, "/staff/"+s.studyRef(study)+"/invitations", http.StatusSeeOther)
		return
	}
	_, token, err := s.Access.OpenInvitation(r.Context(), study, time.Duration(number(r.PostForm.Get("days")))*24*time.Hour)
	if err != nil {
		s.refuse(w, r, u, study, err)
		return
	}
	s.showInvitations(w, r, u, study, s.Base+"/join/"+token)
}

// words for pairs to know each other by: plain things that are told apart by ear, in each language.
var pairWords = map[string][2][]string{
	"en": {{"blue", "green", "red", "yellow", "silver", "golden", "quiet", "round", "little", "warm", "old", "bright"}, {"kettle", "garden", "river", "window", "basket", "candle", "lantern", "meadow", "pebble", "teapot", "harbour", "orchard"}},
	"de": {{"Blauer", "Grüner", "Roter", "Gelber", "Leiser", "Runder", "Kleiner", "Warmer", "Alter", "Heller", "Stiller", "Bunter"}, {"Kessel", "Garten", "Fluss", "Korb", "Turm", "Apfel", "Stern", "Baum", "Stein", "Hafen", "Schirm", "Drachen"}},
	"he": {{"כחול", "ירוק", "אדום", "צהוב", "שקט", "עגול", "קטן", "חם", "ישן", "בהיר", "לבן", "רך"}, {"קומקום", "גן", "נהר", "חלון", "סל", "נר", "פנס", "אחו", "חלוק", "נמל", "מטע", "עץ"}},
}

// pairWord draws two words by which partners know that they are with each other.
func pairWord(lang string) string {
	lists, ok := pairWords[lang]
	if !ok {
		lists = pairWords["en"]
	}
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	first, second := lists[0][int(b[0])%len(lists[0])], lists[1][int(b[1])%len(lists[1])]
	if lang == "he" {
		return second + " " + first
	}
	return first + " " + second
}
