package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Executor carries out orders: it loads the past of what a command is about, folds it, lets the
// domain decide, and appends what follows.
type Executor struct {
	log Log
}

// NewExecutor returns an executor that writes to log.
func NewExecutor(log Log) *Executor { return &Executor{log: log} }

// maxTries bounds how often an order is decided anew because others wrote to the same stream.
const maxTries = 16

// Execute carries out one order. A repeat of an order, known by its id, has the outcome of the first.
// A stream that moved on in the meantime is loaded and decided again.
func (x *Executor) Execute(ctx context.Context, o domain.Order) (domain.Receipt, error) {
	id, err := uuid.Parse(o.ID)
	if err != nil {
		return domain.Receipt{}, &domain.Error{Code: domain.Invalid, Path: "commandId", Message: "the id of a command must be a UUID"}
	}
	return x.ExecuteAll(ctx, id, []domain.Order{o})
}

// ExecuteAll carries out many orders as one: all their events are stored or none. Each order sees
// what those before it did. The id stands for the whole; the ids of the single orders are not used. Refusals come
// as [OrderErrors].
func (x *Executor) ExecuteAll(ctx context.Context, id uuid.UUID, orders []domain.Order) (domain.Receipt, error) {
	for range maxTries {
		if r, ok, err := x.log.Lookup(ctx, id); err != nil || ok {
			return receipt(r), err
		}
		plan, err := x.Plan(ctx, orders)
		if err != nil {
			return domain.Receipt{}, err
		}
		if plan.Events == 0 {
			return domain.Receipt{}, nil
		}
		r, err := x.log.Append(ctx, Append{Command: id, Writes: plan.writes(id)})
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case err != nil:
			return domain.Receipt{}, storageError(err)
		}
		return receipt(r), nil
	}
	return domain.Receipt{}, &domain.Error{Code: domain.Unavailable, Message: "others keep changing the same couple or study; try again", Err: ErrConflict}
}

// storageError gives a storage failure a code that a caller can act on.
func storageError(err error) error {
	switch {
	case errors.Is(err, ErrFull):
		return &domain.Error{Code: domain.Unavailable, Message: "there is no room left to store events; nothing was stored", Err: err}
	case errors.Is(err, ErrClosed):
		return &domain.Error{Code: domain.Unavailable, Message: "the study is being shut down; try again", Err: err}
	}
	return err
}

func receipt(r Receipt) domain.Receipt {
	if r.Last == 0 {
		return domain.Receipt{}
	}
	return domain.Receipt{Position: int64(r.Last), Events: int(r.Last - r.First + 1), Duplicate: r.Duplicate}
}

// OrderErrors tells which orders of many were refused, and why.
type OrderErrors []OrderError

// OrderError is the refusal of the order at an index.
type OrderError struct {
	Index int
	Err   error
}

func (e OrderErrors) Error() string {
	if len(e) == 1 {
		return e[0].Err.Error()
	}
	return fmt.Sprintf("%v (and %d more of the orders were refused)", e[0].Err, len(e)-1)
}

func (e OrderErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i].Err
	}
	return errs
}

// Plan is what orders would do: the events that would be appended to each stream.
type Plan struct {
	Events  int
	ByType  map[string]int // events by wire name
	streams []*planned     // in the order of first use
}

type planned struct {
	stream  Stream
	study   *domain.Study  // exactly one of study and couple is set
	couple  *domain.Couple //
	loaded  Version
	decided []Envelope
}

func (p *planned) apply(e domain.Event) {
	if p.study != nil {
		p.study.Apply(e)
	} else {
		p.couple.Apply(e)
	}
}

// Plan decides orders one after the other without storing anything. It goes on after a
// refusal, so that all refusals are reported at once, as [OrderErrors].
func (x *Executor) Plan(ctx context.Context, orders []domain.Order) (Plan, error) {
	plan := Plan{ByType: map[string]int{}}
	open := map[Stream]*planned{}
	var refused OrderErrors
	for i, o := range orders {
		if err := x.planOrder(ctx, &plan, open, o); err != nil {
			var refusal *domain.Error
			if !errors.As(err, &refusal) {
				return Plan{}, err
			}
			refused = append(refused, OrderError{i, err})
		}
	}
	if refused != nil {
		return Plan{}, refused
	}
	return plan, nil
}

func (x *Executor) planOrder(ctx context.Context, plan *Plan, open map[Stream]*planned, o domain.Order) error {
	t := o.Command.Target()
	study, err := x.open(ctx, plan, open, t.Study, "")
	if err != nil {
		return err
	}
	past, at := domain.Past{Study: study.study}, study
	if t.Couple != "" {
		if at, err = x.open(ctx, plan, open, t.Study, t.Couple); err != nil {
			return err
		}
		past.Couple = at.couple
	}
	decided, err := domain.Decide(past, o.Command)
	if err != nil {
		return err
	}
	for _, e := range decided {
		env, err := Encode(e)
		if err != nil {
			return err
		}
		if env.ID, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make an event id: %w", err)
		}
		env.Study, env.OccurredAt, env.By, env.Owner = t.Study, o.At.UTC().Truncate(time.Microsecond), o.By, owner(t, e)
		at.decided = append(at.decided, env)
		at.apply(e)
		plan.Events++
		plan.ByType[env.Type]++
	}
	return nil
}

// owner names whose an event is: a person's or a couple's, by the target of the command it follows from. Events of a study are nobody's but for
// its secrets.
func owner(t domain.Target, e domain.Event) string {
	if _, secret := e.(domain.RandomisationSeeded); secret {
		return Owner(t.Study, "", "")
	}
	role, ok := domain.Concerns(e)
	if t.Couple == "" || !ok {
		return ""
	}
	return Owner(t.Study, t.Couple, role)
}

// Owner names the owner of payloads: the person in a role of a couple, or, with an empty role, the couple, or, without a couple, the study.
func Owner(study, couple string, r domain.Role) string {
	if r == "" {
		return study + "/" + couple
	}
	return study + "/" + couple + "/" + string(r)
}

// ErasedOwners names the owners whose keys are destroyed when a participant of a couple is erased.
func ErasedOwners(study, couple string, e domain.ParticipantErased) []string {
	list := []string{Owner(study, couple, e.Role)}
	if e.Last {
		list = append(list, Owner(study, couple, ""))
	}
	return list
}

// Tombstone returns the owners that an event of the log says were erased; none for most events.
func Tombstone(at Envelope) []string {
	couple, ok := strings.CutPrefix(string(at.Stream), string(CoupleStream(at.Study, "")))
	if !ok || at.Type != "participant.erased" {
		return nil
	}
	e, err := Decode(at)
	if erased, is := e.(domain.ParticipantErased); err == nil && is {
		return ErasedOwners(at.Study, couple, erased)
	}
	return nil
}

// StudyStream and CoupleStream name the streams of the aggregates.
func StudyStream(study string) Stream { return Stream("study/" + study) }

// CoupleStream names the stream of a couple.
func CoupleStream(study, couple string) Stream { return Stream("couple/" + study + "/" + couple) }

// Past returns what there is of a study and, unless the code is empty, of a couple in it, as of now: what a decision would be made on. The caller must not
// change it. A study or couple that was never heard of is empty.
func (x *Executor) Past(ctx context.Context, study, couple string) (domain.Past, error) {
	plan, open := Plan{}, map[Stream]*planned{}
	s, err := x.open(ctx, &plan, open, study, "")
	if err != nil {
		return domain.Past{}, err
	}
	past := domain.Past{Study: s.study}
	if couple != "" {
		c, err := x.open(ctx, &plan, open, study, couple)
		if err != nil {
			return domain.Past{}, err
		}
		past.Couple = c.couple
	}
	return past, nil
}

// open returns the folded state of a study or couple, loading it on first use.
func (x *Executor) open(ctx context.Context, plan *Plan, streams map[Stream]*planned, study, couple string) (*planned, error) {
	p := &planned{stream: StudyStream(study)}
	if couple == "" {
		p.study = &domain.Study{}
	} else {
		p.stream, p.couple = CoupleStream(study, couple), &domain.Couple{}
	}
	if known, ok := streams[p.stream]; ok {
		return known, nil
	}
	past, err := x.log.ReadStream(ctx, p.stream, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", p.stream, err)
	}
	for _, env := range past {
		p.loaded = env.Version
		e, err := Decode(env)
		if errors.Is(err, ErrErased) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", p.stream, err)
		}
		p.apply(e)
	}
	streams[p.stream] = p
	plan.streams = append(plan.streams, p)
	return p, nil
}

// writes lists what the plan appends. A stream that was only read is left out.
func (p Plan) writes(command uuid.UUID) []Write {
	var ws []Write
	for _, s := range p.streams {
		if len(s.decided) == 0 {
			continue
		}
		for i := range s.decided {
			s.decided[i].Command = command
		}
		ws = append(ws, Write{Stream: s.stream, Expected: s.loaded, Events: s.decided})
	}
	return ws
}
