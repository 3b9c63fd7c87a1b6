package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"asem/domain"
	"asem/events"
)

// Board is what those who look after couples see: who is asked what and when, what came in, what reminded whom, and where data look
// careless. It holds no answer and nothing that anybody wrote.
//
// It is kept in memory, some kilobytes a couple, and made from the couples' streams by the domain's own fold. Asking for it brings it up
// to date: only couples of which something is new in the log are read again.
type Board struct {
	log StreamReader

	mu      sync.Mutex
	at      events.Position // up to which the log was looked through
	studies map[string]*domain.Study
	couples map[string]map[string]*BoardCouple // by study and code
}

// StreamReader reads the log as a whole and stream by stream.
type StreamReader interface {
	Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error)
	ReadStream(ctx context.Context, s events.Stream, after events.Version, limit int) ([]events.Envelope, error)
}

// NewBoard returns a board of what is in a log.
func NewBoard(log StreamReader) *Board {
	return &Board{log: log, studies: map[string]*domain.Study{}, couples: map[string]map[string]*BoardCouple{}}
}

// BoardCouple is a couple as it stands on the board. It is never changed: what comes later makes a new one.
type BoardCouple struct {
	Code        string
	Site        string
	EnrolledOn  domain.Date
	SeparatedOn domain.Date
	Persons     []BoardPerson // in the order of the protocol's roles; who was erased is not among them
	Erased      []domain.Role
	Concerns    []domain.Concern // for clinicians
	Sessions    []domain.SessionHeld
}

// BoardPerson is a participant as it stands on the board.
type BoardPerson struct {
	domain.Participant
	Arm     string // for those who may know it
	Offers  []domain.Offer
	Prompts []domain.Prompt // by the time for which they were scheduled
	Flags   []Flag
}

// Person returns who is in a role.
func (c *BoardCouple) Person(r domain.Role) (BoardPerson, bool) {
	for _, p := range c.Persons {
		if p.Role == r {
			return p, true
		}
	}
	return BoardPerson{}, false
}

// Couples returns the couples of a study in natural order of their codes, with its protocol in force. A study that does not exist is an error with
// code not_found.
func (b *Board) Couples(ctx context.Context, study string) ([]*BoardCouple, domain.Protocol, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.refresh(ctx, study)
	if err != nil {
		return nil, domain.Protocol{}, err
	}
	list := make([]*BoardCouple, 0, len(b.couples[study]))
	for _, c := range b.couples[study] {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y *BoardCouple) int {
		return strings.Compare(string(coupleKey(study, x.Code)), string(coupleKey(study, y.Code)))
	})
	return list, s.Protocol, nil
}

// Couple returns one couple of a study; an error with code not_found if there is none.
func (b *Board) Couple(ctx context.Context, study, couple string) (*BoardCouple, domain.Protocol, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.refresh(ctx, study)
	if err != nil {
		return nil, domain.Protocol{}, err
	}
	c, ok := b.couples[study][couple]
	if !ok {
		return nil, domain.Protocol{}, &domain.Error{Code: domain.NotFound, Path: "couple", Message: "there is no such couple"}
	}
	return c, s.Protocol, nil
}

func (b *Board) refresh(ctx context.Context, study string) (*domain.Study, error) {
	if err := b.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("bring the board up to date: %w", err)
	}
	s, ok := b.studies[study]
	if !ok {
		return nil, &domain.Error{Code: domain.NotFound, Path: "study", Message: "there is no such study"}
	}
	return s, nil
}

// boardPage is how many events are looked through at once.
const boardPage = 2000

// catchUp looks through what is new in the log. Should it be interrupted, the next one begins where this one began.
func (b *Board) catchUp(ctx context.Context) error {
	at, plans, touched, err := news(ctx, b.log, b.at)
	if err != nil {
		return err
	}
	for study := range plans { // another plan asks everybody something else
		s := &domain.Study{}
		if err := fold(ctx, b.log, events.StudyStream(study), s.Apply); err != nil {
			return err
		}
		b.studies[study] = s
		for code := range b.couples[study] {
			if touched[study] == nil {
				touched[study] = map[string]bool{}
			}
			touched[study][code] = true
		}
	}
	for study, codes := range touched {
		if b.couples[study] == nil {
			b.couples[study] = map[string]*BoardCouple{}
		}
		for code := range codes {
			c, err := b.couple(ctx, study, code)
			if err != nil {
				return err
			}
			b.couples[study][code] = c
		}
	}
	b.at = at
	return nil
}

// news tells which studies and which couples have events after a position, and how far the log goes.
func news(ctx context.Context, log StreamReader, after events.Position) (at events.Position, plans map[string]bool, touched map[string]map[string]bool, err error) {
	at, plans, touched = after, map[string]bool{}, map[string]map[string]bool{}
	for {
		page, err := log.Read(ctx, at, boardPage)
		if err != nil {
			return at, nil, nil, err
		}
		for _, e := range page {
			at = e.Position
			couple, ok := strings.CutPrefix(string(e.Stream), string(events.CoupleStream(e.Study, "")))
			if !ok {
				plans[e.Study] = true
				continue
			}
			if touched[e.Study] == nil {
				touched[e.Study] = map[string]bool{}
			}
			touched[e.Study][couple] = true
		}
		if len(page) < boardPage {
			return at, plans, touched, nil
		}
	}
}

// fold applies what can be read of a stream.
func fold(ctx context.Context, log StreamReader, s events.Stream, apply func(domain.Event)) error {
	list, err := log.ReadStream(ctx, s, 0, 0)
	if err != nil {
		return err
	}
	for _, at := range list {
		e, err := events.Decode(at)
		if errors.Is(err, events.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		apply(e)
	}
	return nil
}

func (b *Board) couple(ctx context.Context, study, code string) (*BoardCouple, error) {
	p := domain.Past{Study: b.studies[study], Couple: &domain.Couple{}}
	if p.Study == nil {
		p.Study = &domain.Study{}
	}
	flags := map[domain.Role][]Flag{}
	err := fold(ctx, b.log, events.CoupleStream(study, code), func(e domain.Event) {
		p.Couple.Apply(e)
		if role, list := flagsOf(p.Study, e); len(list) > 0 {
			flags[role] = append(flags[role], list...)
		}
	})
	if err != nil {
		return nil, err
	}
	c := &BoardCouple{Code: code, Site: p.Couple.Site, EnrolledOn: p.Couple.EnrolledOn, SeparatedOn: p.Couple.SeparatedOn, Erased: p.Couple.Erased, Concerns: p.Couple.Concerns(), Sessions: p.Couple.Sessions()}
	for _, label := range p.Study.Protocol.Roles {
		who, ok := p.Couple.Participant(label.Role)
		if !ok {
			continue
		}
		c.Persons = append(c.Persons, BoardPerson{*who, p.Couple.Arm(label.Role), p.Agenda(label.Role), p.Couple.Prompts(label.Role), flags[label.Role]})
	}
	return c, nil
}
