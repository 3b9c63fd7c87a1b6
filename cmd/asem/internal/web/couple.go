package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/projections"
)

type coupleBody struct {
	studyPage
	coupleState
	People    []personBody
	Occasions []occasionRow
	Prompts   []promptRow
	Flags     []flagRow
	Sites     []domain.Site
	Changes   []domain.ChangeEvent
	Sessions  []domain.SessionHeld
	Languages []string
	Scopes    []domain.Scope
	Today     domain.Date
}

type personBody struct {
	personState
	Code, ZoneName, Language string
	Joined, Withdrew         domain.Date
	Paired, Email, HasCode   bool
	Consents                 []consentRow
}

type consentRow struct {
	Scope   domain.Scope
	Version string // empty: none
	At      time.Time
}

// occasionRow is a wave or diary day with how each partner stands.
type occasionRow struct {
	Title string
	Cells []occasionCell
}

type occasionCell struct{ Word, Kind, When string }

type promptRow struct {
	Label, About, At, Step string
	Bad                    bool
}

type flagRow struct{ Label, About, Text string }

// titleOf names an occasion.
func titleOf(p domain.Protocol, o domain.Occasion) string {
	if o.Burst != "" {
		return o.Burst + " " + o.Day.String()
	}
	if w, ok := p.Wave(o.Wave); ok && w.Label != "" {
		return w.Label
	}
	return "wave " + strconv.Itoa(o.Wave)
}

// couplePage shows how a couple stands. It shows no answer, and no arm, so that whoever talks to couples stays blind to it.
func (s *server) couplePage(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if c, protocol, ok := s.couple(w, r, u, study); ok {
		s.showCouple(w, r, u, study, c, protocol, http.StatusOK, "", nil)
	}
}

func (s *server) showCouple(w http.ResponseWriter, r *http.Request, u access.Staff, study string, c *projections.BoardCouple, protocol domain.Protocol, status int, done string, err error) {
	now := s.Now()
	b := coupleBody{studyPage: s.ofStudyPage(r, u, study), coupleState: s.stateOf(study, protocol, c, now), Sites: protocol.Sites, Changes: protocol.ChangeEvents, Sessions: c.Sessions,
		Languages: protocol.AskedIn(), Scopes: domain.Scopes(), Today: today(now)}
	b.Done = done
	if err != nil {
		b.Mends = mends(err)
	}
	ways, err := s.Access.WaysOf(r.Context(), study)
	if err != nil {
		s.failed(w, err)
		return
	}
	type line struct {
		occasion domain.Occasion
		opens    time.Time
	}
	var lines []line
	for _, st := range b.Persons {
		who, ok := c.Person(st.Role)
		p := personBody{personState: st}
		if ok {
			p.Code, p.ZoneName, p.Language, p.Joined, p.Withdrew, p.Paired, p.Email = who.Code, who.Zone, who.Language, who.JoinedOn, who.WithdrawnOn, who.Paired, who.Email != ""
			p.HasCode = ways[access.Participant{Study: study, Couple: c.Code, Role: st.Role}].Code
			for _, scope := range domain.Scopes() {
				k := consentRow{Scope: scope}
				if given, ok := who.Consents[scope]; ok {
					k.Version, k.At = given.Version, given.At
				}
				p.Consents = append(p.Consents, k)
			}
			for _, o := range who.Offers {
				if !slices.ContainsFunc(lines, func(l line) bool { return l.occasion == o.Occasion }) {
					lines = append(lines, line{o.Occasion, o.Window.Opens})
				}
			}
			for _, m := range slices.Backward(who.Prompts) {
				b.Prompts = append(b.Prompts, promptOf(st, protocol, m))
			}
			for _, f := range who.Flags {
				b.Flags = append(b.Flags, flagRow{st.Label, titleOf(protocol, f.Occasion), flagText(f)})
			}
		}
		b.People = append(b.People, p)
	}
	slices.SortStableFunc(lines, func(x, y line) int { return x.opens.Compare(y.opens) })
	for _, l := range lines {
		row := occasionRow{Title: titleOf(protocol, l.occasion)}
		for _, st := range b.Persons {
			who, _ := c.Person(st.Role)
			row.Cells = append(row.Cells, cellOf(who, l.occasion, st.Zone, now))
		}
		b.Occasions = append(b.Occasions, row)
	}
	s.staffPage(w, status, "couple.html", "Couple "+c.Code, u.Name, b)
}

func today(now time.Time) domain.Date {
	y, m, d := now.Date()
	return domain.NewDate(y, m, d)
}

func cellOf(who projections.BoardPerson, occasion domain.Occasion, zone *time.Location, now time.Time) occasionCell {
	i := slices.IndexFunc(who.Offers, func(o domain.Offer) bool { return o.Occasion == occasion })
	if i < 0 {
		return occasionCell{Word: "not asked", Kind: "quiet"}
	}
	o := who.Offers[i]
	when := o.Window.Opens.In(zone).Format("2 Jan 15:04") + " to " + o.Window.Ends.In(zone).Format("2 Jan 15:04")
	switch {
	case o.Done && o.Timing == domain.TimingLate:
		return occasionCell{"late", "late", when}
	case o.Done:
		return occasionCell{"answered", "done", when}
	case o.Missed || o.Asked && !now.Before(o.Window.Ends):
		return occasionCell{"missed", "missed", when}
	case o.Open(now) && o.Received > 0:
		return occasionCell{"begun", "due", when}
	case o.Open(now):
		return occasionCell{"open", "due", when}
	case !o.Asked:
		return occasionCell{"not asked", "quiet", when}
	}
	return occasionCell{"to come", "quiet", when}
}

func promptOf(st personState, protocol domain.Protocol, m domain.Prompt) promptRow {
	row := promptRow{Label: st.Label, About: titleOf(protocol, m.Occasion), At: m.At.In(st.Zone).Format("2 Jan 15:04")}
	switch {
	case !m.Opened.IsZero():
		row.Step = "opened"
	case !m.Accepted.IsZero():
		row.Step = "delivered to the mail server"
	case !m.Failed.IsZero():
		row.Step, row.Bad = promptReasons[m.Reason], m.Reason != domain.PromptNotNeeded
		if row.Step == "" {
			row.Step = "not sent"
		}
	case !m.Sent.IsZero():
		row.Step = "sent"
	default:
		row.Step = "scheduled"
	}
	return row
}

var promptReasons = map[string]string{
	domain.PromptRefused: "refused by the mail server", domain.PromptUnreached: "mail server not reached", domain.PromptOverdue: "too late to send",
	domain.PromptNotNeeded: "not needed any more", domain.PromptNoAddress: "no address",
}

func flagText(f projections.Flag) string {
	what := "the diary"
	if f.Instrument != "" {
		what = f.Instrument
	}
	if f.Kind == projections.FlagFast {
		return what + ": less than two seconds an item"
	}
	return what + ": the same answer throughout"
}

// changeCouple does one of the things that coordinators do for a couple.
func (s *server) changeCouple(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	c, protocol, ok := s.couple(w, r, u, study)
	if !ok {
		return
	}
	f := r.PostForm
	role := domain.Role(f.Get("role"))
	p := access.Participant{Study: study, Couple: c.Code, Role: role}
	var commands []domain.Command
	done := ""
	var err error
	on, dateErr := domain.ParseDate(f.Get("on"))
	switch f.Get("do") {
	case "code":
		if _, there := c.Person(role); !there {
			err = &domain.Error{Code: domain.NotFound, Path: "role", Message: "there is nobody in this role"}
			break
		}
		cred, e := s.Access.IssueCode(r.Context(), p)
		if e != nil {
			s.failed(w, e)
			return
		}
		s.showLetters(w, r, u, study, c.Code, []letter{s.letterFor(protocol, c, role, cred)})
		return
	case "settings":
		done = "The settings were changed."
		commands = append(commands, domain.MoveParticipant{Study: study, Couple: c.Code, Role: role, Zone: f.Get("zone"), At: s.Now()}, domain.ChooseLanguage{Study: study, Couple: c.Code, Role: role, Language: f.Get("language")})
	case "email":
		done, err = "The address was changed.", s.changeEmail(r, p, f.Get("email"))
		if err == nil {
			commands = append(commands, domain.ChangeContact{Study: study, Couple: c.Code, Role: role, Email: strings.TrimSpace(f.Get("email"))})
		}
	case "scope":
		done = "The consent was withdrawn."
		commands = append(commands, domain.WithdrawConsent{Study: study, Couple: c.Code, Role: role, Scope: domain.Scope(f.Get("scope"))})
	case "withdraw":
		done, err = "The withdrawal was recorded. Nothing more is asked of this person, who can still sign in to read and take along what was sent.", dateErr
		commands = append(commands, domain.WithdrawParticipant{Study: study, Couple: c.Code, Role: role, On: on})
	case "separated":
		done, err = "The separation was recorded.", dateErr
		commands = append(commands, domain.SeparateCouple{Study: study, Couple: c.Code, On: on})
	case "session":
		done, err = "The session was recorded.", dateErr
		commands = append(commands, domain.HoldSession{Study: study, Couple: c.Code, Number: number(f.Get("number")), On: on, Corrects: f.Get("corrects") == "yes"})
	case "change":
		done, err = "The event was recorded.", dateErr
		commands = append(commands, domain.NoteChange{Study: study, Couple: c.Code, Code: f.Get("code"), On: on})
	default:
		s.noSuchStaffPage(w, r, u)
		return
	}
	if needsWord := map[string]bool{"scope": true, "withdraw": true, "separated": true}; err == nil && needsWord[f.Get("do")] && f.Get("sure") != "yes" {
		err = &domain.Error{Code: domain.Invalid, Path: "sure", Message: "this cannot be taken back: tick the box to say that you mean it"}
	}
	if err == nil {
		_, err = s.Executor.ExecuteAll(r.Context(), uuid.New(), s.staffOrders(u, domain.ActorCoordinator, commands...))
	}
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		s.failed(w, err)
		return
	}
	if err != nil {
		done = ""
	} else if fresh, protocol, e := s.Board.Couple(r.Context(), study, c.Code); e == nil {
		s.showCouple(w, r, u, study, fresh, protocol, status, done, nil)
		return
	}
	s.showCouple(w, r, u, study, c, protocol, status, done, err)
}

// changeEmail lets a participant ask for links at another address, or at none.
func (s *server) changeEmail(r *http.Request, p access.Participant, text string) error {
	if strings.TrimSpace(text) == "" {
		return s.Access.RemoveEmail(r.Context(), p)
	}
	address, err := access.NormalEmail(text)
	if err != nil {
		return err
	}
	return s.Access.SetEmail(r.Context(), p, address)
}
