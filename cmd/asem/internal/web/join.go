package web

import (
	"net/http"
	"time"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// joinPage is what those see who enrol by an open invitation.
type joinPage struct {
	Token    string
	Roles    []domain.RoleLabel // to choose from; none: partners are exchangeable
	Zones    []zoneGroup
	Zone     string
	Problems []string // keys of texts
	// Once begun:
	Word    string
	Pairing string // code to hand to the partner
	Code    string // to sign in
	PIN     string
	Second  bool // the partner has come: the couple is enrolled
}

// joinForm asks who comes by an open invitation whether they are first or come after their partner.
func (s *server) joinForm(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(w, r)
	if study, ok := s.invited(v); ok {
		v.render(http.StatusOK, "join", "", s.joinPage(v, study))
	}
}

func (s *server) joinPage(v *visit, study *domain.Study) joinPage {
	p := joinPage{Token: v.r.PathValue("token"), Zones: zonesWith(study.Zone), Zone: study.Zone}
	if !study.Protocol.Exchangeable {
		p.Roles = study.Protocol.Roles
	}
	return p
}

// invited finds the study that a link invites to, or answers that it is over.
func (s *server) invited(v *visit) (*domain.Study, bool) {
	code, err := s.Access.Invited(v.r.Context(), v.r.PathValue("token"), s.from(v.r))
	if err != nil {
		s.joinRefused(v, err)
		return nil, false
	}
	past, err := s.Executor.Past(v.r.Context(), code, "")
	if err != nil {
		v.failed(err)
		return nil, false
	}
	return past.Study, true
}

func (s *server) joinRefused(v *visit, err error) {
	switch {
	case access.Refused(err):
		v.render(http.StatusNotFound, "message", "", message{Title: v.T("join.over"), Lines: []string{v.T("join.over.text")}})
	case access.Limited(err):
		v.render(http.StatusTooManyRequests, "message", "", message{Title: v.T("join"), Lines: []string{v.T("signin.limited")}, Wrong: true})
	default:
		v.failed(err)
	}
}

// join takes in who comes first, or brings together who comes second.
func (s *server) join(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(w, r)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		v.bad()
		return
	}
	study, ok := s.invited(v)
	if !ok {
		return
	}
	if r.PostForm.Get("do") == "second" {
		s.joinSecond(v, study)
		return
	}
	s.joinFirst(v, study)
}

// joinFirst notes somebody who waits for the partner. Nothing goes into the study before both are there.
func (s *server) joinFirst(v *visit, study *domain.Study) {
	f, p := v.r.PostForm, s.joinPage(v, study)
	role := domain.Role(f.Get("role"))
	if study.Protocol.Exchangeable {
		role = study.Protocol.Roles[0].Role
	}
	if !hasRole(study.Protocol, role) {
		p.Problems = append(p.Problems, "join.role.missing")
	}
	p.Zone = f.Get("zone")
	if !knownZone(p.Zone) {
		p.Problems = append(p.Problems, "join.zone.missing")
	}
	if len(p.Problems) > 0 {
		v.render(http.StatusUnprocessableEntity, "join", "", p)
		return
	}
	ctx := v.r.Context()
	p.Word = pairWord(v.Tag)
	pairing := access.Pairing{Study: study.Code, Couple: "W" + string(access.NewCode()), Role: role, Language: v.Tag, Zone: p.Zone, Word: p.Word}
	code, err := s.Access.BeginPairing(ctx, pairing)
	if err != nil {
		v.failed(err)
		return
	}
	cred, err := s.Access.IssueCode(ctx, access.Participant{Study: study.Code, Couple: pairing.Couple, Role: role})
	if err != nil {
		v.failed(err)
		return
	}
	p.Pairing, p.Code, p.PIN = code.String(), cred.Code.String(), cred.PIN
	v.render(http.StatusOK, "joined", "", p)
}

// joinSecond enrols the couple: the partner who came first is there, and the second has the code that only that partner could give.
func (s *server) joinSecond(v *visit, study *domain.Study) {
	f, p := v.r.PostForm, s.joinPage(v, study)
	p.Zone = f.Get("zone")
	wrong := func(problem string) {
		p.Problems = append(p.Problems, problem)
		v.render(http.StatusUnprocessableEntity, "join", "", p)
	}
	code, err := access.ParseCode(f.Get("code"))
	if err != nil {
		wrong("join.code.mistyped")
		return
	}
	if !knownZone(p.Zone) {
		wrong("join.zone.missing")
		return
	}
	ctx := v.r.Context()
	first, err := s.Access.PairingOf(ctx, code, s.from(v.r))
	switch {
	case access.Refused(err) || err == nil && first.Study != study.Code:
		wrong("join.code.unknown")
		return
	case err != nil:
		s.joinRefused(v, err)
		return
	}
	second := study.Protocol.Roles[0].Role
	if second == first.Role {
		second = study.Protocol.Roles[1].Role
	}
	n := newCouple{study: study.Code, code: first.Couple, on: today(s.Now().In(zoneOf(study.Zone))), people: []newPerson{
		{role: first.Role, zone: first.Zone, language: first.Language}, {role: second, zone: p.Zone, language: v.Tag}}}
	if len(study.Protocol.Sites) > 0 {
		n.site = study.Protocol.Sites[0].Code
	}
	for i := range n.people {
		if !spoken(study.Protocol, n.people[i].language) {
			n.people[i].language = ""
		}
	}
	used, err := s.Access.EndPairing(ctx, code)
	if err != nil {
		v.failed(err)
		return
	}
	if !used { // twice at once: the other one enrols
		wrong("join.code.unknown")
		return
	}
	if err := s.enrol(ctx, study, n, func(c domain.Command) domain.Order {
		return domain.Order{By: domain.Actor{Role: domain.ActorParticipant, Subject: first.Couple + "-" + string(second)}, At: s.Now(), Command: c}
	}); err != nil {
		v.failed(err)
		return
	}
	cred, err := s.Access.IssueCode(ctx, access.Participant{Study: study.Code, Couple: first.Couple, Role: second})
	if err != nil {
		v.failed(err)
		return
	}
	p.Second, p.Word, p.Code, p.PIN = true, first.Word, cred.Code.String(), cred.PIN
	v.render(http.StatusOK, "joined", "", p)
}

func hasRole(p domain.Protocol, role domain.Role) bool {
	for _, l := range p.Roles {
		if l.Role == role {
			return true
		}
	}
	return false
}

func spoken(p domain.Protocol, language string) bool {
	for _, l := range p.AskedIn() {
		if l == language {
			return true
		}
	}
	return false
}

func knownZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}
