package prompting

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"asem/domain"
	"asem/events"
	"asem/events/feed"
)

// Name is the scheduler's among those who follow the log and among leaders.
const Name = "prompting"

// Config is what a scheduler works with.
type Config struct {
	Exec     *events.Executor
	Couples  Directory
	Leads    func() bool // whether this replica is the one that acts; nil: there are no others
	Planner  Planner
	Channels []Channel // a letter goes through the first that has a way to the person; none: nothing is scheduled or sent
	From     Identities
	Linker   Linker // nil: letters hold Address
	Address  string // where participants find their pages
	Clock    Clock  // nil: the machine's

	PerMinute     int // how many letters are sent at most; 0 means 300
	Conversations int // at the same time; 0 means 4
	Logger        *slog.Logger
}

// Scheduler reminds participants and closes what ended. It follows the log as a [feed.Consumer] and acts in [Scheduler.Run].
//
// It knows for each couple when there is something to do next, and loads a couple only then, or when something happened that may bring that forward. All
// that it did stands in the ledger, which is part of the log, so a restart forgets nothing.
//
// Every reminder goes out at most once. Prompt.sent is recorded before a letter is handed over, and of all who try to record it, after crashes and on
// other replicas too, one succeeds; only that one hands the letter over. It does so again only where the other side certainly did not take
// it, and not after the window, a withdrawal or an answer.
type Scheduler struct {
	Config
	limit   *rate.Limiter
	flights chan struct{} // bounds the letters under way
	talking chan struct{} // bounds the conversations

	done    sync.WaitGroup // letters under way
	changed chan struct{}  // something was put into the queue

	mu      sync.Mutex
	queue   *queue
	couples map[Couple]bool
	flying  map[string]bool    // reminders under way, by prompt
	outages map[string]*outage // the last of each channel
	settled map[settlement]int64
}

var _ feed.Consumer = (*Scheduler)(nil)

// New returns a scheduler that does nothing yet.
func New(c Config) *Scheduler {
	if c.Leads == nil {
		c.Leads = func() bool { return true }
	}
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	if c.PerMinute == 0 {
		c.PerMinute = 300
	}
	if c.Conversations == 0 {
		c.Conversations = 4
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Scheduler{Config: c, limit: rate.NewLimiter(rate.Limit(float64(c.PerMinute)/60), max(1, c.PerMinute/60)),
		flights: make(chan struct{}, maxFlights), talking: make(chan struct{}, c.Conversations), changed: make(chan struct{}, 1),
		queue: newQueue(), couples: map[Couple]bool{}, flying: map[string]bool{}, outages: map[string]*outage{}, settled: map[settlement]int64{}}
}

// maxFlights bounds the letters under way, most of which wait for their turn.
const maxFlights = 256

// Name implements [feed.Consumer].
func (s *Scheduler) Name() string { return Name }

// Checkpoint implements [feed.Consumer]: it finds all couples and begins to look after them.
func (s *Scheduler) Checkpoint(ctx context.Context) (events.Position, error) {
	list, at, err := s.Couples.Couples(ctx)
	if err != nil {
		return 0, err
	}
	s.touch(list...)
	return at, nil
}

// Apply implements [feed.Consumer]: it looks again after those for whom something happened that may bring forward what is to be done. All else is found out
// when it is.
func (s *Scheduler) Apply(_ context.Context, batch []events.Envelope) error {
	for _, e := range batch {
		code, ok := strings.CutPrefix(string(e.Stream), string(events.CoupleStream(e.Study, "")))
		switch e.Type {
		case "questionnaire.submitted", "answer.corrected", "score.recorded", "score.corrected", "wave.missed", "diary.submitted", "diary.missed",
			"prompt.scheduled", "prompt.sent", "prompt.accepted", "prompt.failed", "prompt.opened", "form.started", "note.written", "risk.raised", "note.read", "risk.handled",
			"interaction.recorded", "clip.cut", "rating.recorded", "change.noted", "model.registered", "model.retired", "study.created", "instrument.registered":
		default:
			if ok {
				s.touch(Couple{e.Study, code})
			} else {
				s.touchStudy(e.Study)
			}
		}
	}
	return nil
}

func (s *Scheduler) touch(list ...Couple) {
	now := s.Clock.Now()
	s.mu.Lock()
	for _, c := range list {
		s.couples[c] = true
		s.queue.add(c, now)
	}
	s.mu.Unlock()
	s.wake()
}

func (s *Scheduler) touchStudy(study string) {
	s.mu.Lock()
	var list []Couple
	for c := range s.couples {
		if c.Study == study {
			list = append(list, c)
		}
	}
	s.mu.Unlock()
	s.touch(list...)
}

func (s *Scheduler) later(c Couple, at time.Time) {
	s.mu.Lock()
	s.queue.add(c, at)
	s.mu.Unlock()
	s.wake()
}

func (s *Scheduler) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// How long is waited at most before the clock is looked at again, for clocks are set and machines sleep; how long before a couple that could not be read
// is read again; how long what is under way may take when the program ends.
const (
	lookAgain  = time.Minute
	tryAgain   = 30 * time.Second
	lastWishes = 8 * time.Second
)

// Run looks after the couples until ctx ends, and then lets letters under way be taken.
func (s *Scheduler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		c, wait := s.next()
		if wait > 0 {
			s.sleep(ctx, wait, s.changed)
			continue
		}
		if err := s.attend(ctx, c); err != nil && ctx.Err() == nil {
			s.Logger.Warn("reminders of a couple have to wait", "study", c.Study, "error", err.Error())
			s.later(c, s.Clock.Now().Add(tryAgain))
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.done.Wait()
	}()
	select { // by the machine's clock, as the network goes by it
	case <-ended:
	case <-time.After(lastWishes): // the ledger says that they were sent, and nobody will ever send them again
	}
}

// next takes the couple whose time has come out of the queue, or says how long to wait.
func (s *Scheduler) next() (Couple, time.Duration) {
	if !s.Leads() {
		return Couple{}, time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, at, ok := s.queue.first()
	if !ok {
		return c, lookAgain
	}
	if wait := at.Sub(s.Clock.Now()); wait > 0 {
		return c, min(wait, lookAgain)
	}
	s.queue.take()
	return c, 0
}

// sleep waits, unless something comes up, and reports false when ctx ended first.
func (s *Scheduler) sleep(ctx context.Context, d time.Duration, up <-chan struct{}) bool {
	timer, stop := s.Clock.Timer(d)
	defer stop()
	select {
	case <-timer:
		return true
	case <-up:
		return true
	case <-ctx.Done():
		return false
	}
}

// attend does what is to be done for a couple now.
func (s *Scheduler) attend(ctx context.Context, c Couple) error {
	past, err := s.Exec.Past(ctx, c.Study, c.Code)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	r := s.look(past, now)
	for _, o := range r.orders {
		_, err := s.order(ctx, o, now)
		switch code := domain.CodeOf(err); {
		case err == nil:
		case code == domain.Invalid || code == domain.Conflict || code == domain.NotFound: // it was decided on a newer past; the other partner's matters go on
			s.Logger.Info("what a plan said was refused", "study", c.Study, "command", fmt.Sprintf("%T", o.command), "code", string(code))
		default:
			return err
		}
	}
	for _, j := range r.send {
		s.launch(ctx, j)
	}
	if !r.next.IsZero() {
		s.later(c, r.next)
	}
	return nil
}

func (s *Scheduler) order(ctx context.Context, o order, now time.Time) (domain.Receipt, error) {
	return s.Exec.Execute(ctx, domain.Order{ID: o.id, By: domain.Actor{Role: domain.ActorSystem, Subject: Name}, At: now, Command: o.command})
}
