package prompting

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/sqlite"
)

// tb is what the tests need of *testing.T and *rapid.T.
type tb interface {
	require.TestingT
	Helper()
}

// handClock stands still until it is set. Whoever waits for it is woken when it gets there; with hurry it gets there at once.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	hurry  bool
	timers []handTimer
}

type handTimer struct {
	at time.Time
	c  chan time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := handTimer{c.now.Add(d), make(chan time.Time, 1)}
	if c.hurry {
		c.now = t.at
	}
	if !t.at.After(c.now) {
		t.c <- t.at
	} else {
		c.timers = append(c.timers, t)
	}
	return t.c, func() {}
}

// set moves the clock, back too.
func (c *handClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
	var left []handTimer
	for _, w := range c.timers {
		if w.at.After(t) {
			left = append(left, w)
		} else {
			w.c <- t
		}
	}
	c.timers = left
}

func (c *handClock) add(d time.Duration) { c.set(c.Now().Add(d)) }

// lab is a log with a study in it, and those who write to it.
type lab struct {
	log   events.Log
	exec  *events.Executor
	clock *handClock
}

func newLab(t testing.TB) *lab {
	t.Helper()
	log, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	return &lab{log, events.NewExecutor(log), &handClock{}}
}

// try carries out a command at the time of the clock.
func (l *lab) try(c domain.Command) error {
	_, err := l.exec.Execute(context.Background(), domain.Order{ID: uuid.NewString(), At: l.clock.Now(), By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, Command: c})
	return err
}

func (l *lab) do(t tb, list ...domain.Command) {
	t.Helper()
	for _, c := range list {
		require.NoError(t, l.try(c), "%T", c)
	}
}

// study makes a study.
func (l *lab) study(t tb, code string, p domain.Protocol) {
	t.Helper()
	in, ok := domain.LatestKey("asem-daily")
	require.True(t, ok)
	l.do(t, domain.CreateStudy{Study: code, Title: "Canary study", Zone: "Etc/UTC"}, domain.RegisterInstrument{Study: code, Instrument: in}, domain.PublishProtocol{Study: code, Protocol: p})
}

// couple enrols a couple of which both agree to everything and can be reached by mail.
func (l *lab) couple(t tb, study, code string, enrolled domain.Date, zoneA, zoneB string) {
	t.Helper()
	l.do(t, domain.EnrolCouple{Study: study, Couple: code, EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: code + "a", Zone: zoneA}, {Role: "B", Code: code + "b", Zone: zoneB}}})
	for _, r := range []domain.Role{"A", "B"} {
		for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary} {
			l.do(t, domain.GiveConsent{Study: study, Couple: code, Role: r, Scope: s, Version: "1", At: l.clock.Now()})
		}
		l.do(t, domain.ChangeContact{Study: study, Couple: code, Role: r, Email: address(study, code, r)})
	}
}

func address(study, couple string, r domain.Role) string {
	return strings.ToLower("canary-" + study + "-" + couple + "-" + string(r) + "@example.org")
}

func (l *lab) past(t tb, study, couple string) domain.Past {
	t.Helper()
	p, err := l.exec.Past(context.Background(), study, couple)
	require.NoError(t, err)
	return p
}

// Couples implements [Directory] from the log itself.
func (l *lab) Couples(ctx context.Context) ([]Couple, events.Position, error) {
	head, err := l.log.Head(ctx)
	if err != nil {
		return nil, 0, err
	}
	seen, list := map[events.Stream]bool{}, []Couple{}
	err = events.Scan(ctx, l.log, 0, head, func(batch []events.Envelope) error {
		for _, e := range batch {
			if code, ok := strings.CutPrefix(string(e.Stream), string(events.CoupleStream(e.Study, ""))); ok && !seen[e.Stream] {
				seen[e.Stream] = true
				list = append(list, Couple{e.Study, code})
			}
		}
		return nil
	})
	return list, head, err
}

// answers gives the smallest answer to everything.
func answers(in domain.Instrument) (list []domain.Answer) {
	for _, it := range in.Items {
		v := it.Min
		list = append(list, domain.Answer{Item: it.ID, Value: &v})
	}
	return list
}

// answer answers an occasion.
func answer(study, couple string, r domain.Role, o domain.Occasion, at time.Time) domain.Command {
	in, _ := domain.LatestKey("asem-daily")
	if o.Burst != "" {
		return domain.SubmitDiary{Study: study, Couple: couple, Role: r, Burst: o.Burst, Day: o.Day, FilledAt: at, Entries: []domain.DiaryEntry{{Instrument: in.Code, Version: in.Version, Answers: answers(in)}}}
	}
	return domain.SubmitQuestionnaire{Study: study, Couple: couple, Role: r, Wave: o.Wave, Instrument: in.Ref(), Answers: answers(in), FilledAt: at}
}

// tray is a channel that keeps what it is given.
type tray struct {
	clock *handClock

	mu      sync.Mutex
	letters []Letter
	at      []time.Time // of the letters
	open    func() error
	send    func(Letter) Result // nil: everything is taken
}

func (c *tray) Name() string             { return "email" }
func (c *tray) Reaches(r Recipient) bool { return r.Email != "" }

func (c *tray) Open(context.Context) (Session, error) {
	if c.open != nil {
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *tray) Close() {}

func (c *tray) Send(_ context.Context, l Letter) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.letters, c.at = append(c.letters, l), append(c.at, c.clock.Now())
	if c.send != nil {
		return c.send(l)
	}
	return Result{Accepted, "answer", 250}
}

func (c *tray) taken() []Letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Letter(nil), c.letters...)
}

var errGone = errors.New("nobody answers")

// scheduler returns a scheduler on the lab, which nobody runs yet.
func (l *lab) scheduler(channels ...Channel) *Scheduler {
	return New(Config{Exec: l.exec, Couples: l, Planner: Planner{Key: []byte("key")}, Channels: channels, Clock: l.clock, Address: "https://journal.example.org", Logger: slog.New(slog.DiscardHandler),
		From: Identities{Default: Identity{From: sender}}})
}

// settleDown lets a scheduler do everything that is to be done by now.
func settleDown(t tb, s *Scheduler) {
	t.Helper()
	for range 10000 {
		c, wait := s.next()
		if wait > 0 {
			if s.done.Wait(); s.State().Due == 0 {
				return
			}
			continue
		}
		require.NoError(t, s.attend(context.Background(), c))
	}
	t.Errorf("the scheduler never comes to rest")
	t.FailNow()
}

// follow hands what is new in the log to a scheduler, as a router does.
func (l *lab) follow(t tb, s *Scheduler, after events.Position) events.Position {
	t.Helper()
	for {
		list, err := l.log.Read(context.Background(), after, 1000)
		require.NoError(t, err)
		if len(list) == 0 {
			return after
		}
		require.NoError(t, s.Apply(context.Background(), list))
		after = list[len(list)-1].Position
	}
}

// count counts the events of a type.
func (l *lab) count(t tb, eventType string) (n int) {
	t.Helper()
	head, err := l.log.Head(context.Background())
	require.NoError(t, err)
	require.NoError(t, events.Scan(context.Background(), l.log, 0, head, func(batch []events.Envelope) error {
		for _, e := range batch {
			if e.Type == eventType {
				n++
			}
		}
		return nil
	}))
	return n
}

// notebook is a log file in memory.
type notebook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}
