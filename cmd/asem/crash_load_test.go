package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
	"asem/events/feed"
	"asem/projections"
)

// acked is an append that was acknowledged.
type acked struct {
	command     uuid.UUID
	first, last events.Position
	hash        string // of the payloads
	duplicate   bool   // it was said to have been stored before
}

func (a acked) String() string {
	return fmt.Sprintf("%s %d %d %s %t", a.command, a.first, a.last, a.hash, a.duplicate)
}

func parseAck(line string) (a acked, err error) {
	word := strings.Fields(line)
	if len(word) != 5 {
		return a, fmt.Errorf("%q is not an acknowledgement", line)
	}
	a.command, err = uuid.Parse(word[0])
	first, err1 := strconv.ParseInt(word[1], 10, 64)
	last, err2 := strconv.ParseInt(word[2], 10, 64)
	duplicate, err3 := strconv.ParseBool(word[4])
	a.first, a.last, a.hash, a.duplicate = events.Position(first), events.Position(last), word[3], duplicate
	return a, errors.Join(err, err1, err2, err3)
}

// formatAsk writes an append on one line.
func formatAsk(a events.Append) string {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func parseAsk(line string) (a events.Append, err error) {
	text, err := base64.StdEncoding.DecodeString(line)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// listener hears what clients ask and are told, as it happens. It may be called from many goroutines.
type listener struct {
	asked   func(events.Append)
	refused func(uuid.UUID) // for good: it was in conflict
	acked   func(acked)
}

// load appends with many clients until ctx ends: single events, several, to one stream or two, with versions that are out of date, and commands that are
// repeated: at the same time, until they are answered, and long after they were, when others have written to the same streams.
func load(ctx context.Context, log events.Log, clients int, seed uint64, ack func(acked)) {
	loadHeard(ctx, log, clients, seed, listener{func(events.Append) {}, func(uuid.UUID) {}, ack})
}

func loadHeard(ctx context.Context, log events.Log, clients int, seed uint64, l listener) {
	var g sync.WaitGroup
	for c := range clients {
		g.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(c)))
			var past []events.Append
			known := map[events.Stream]events.Version{}
			for ctx.Err() == nil {
				if len(past) > 0 && r.IntN(6) == 0 { // a client that was offline, or does not know what it has sent
					ask(ctx, log, past[r.IntN(len(past))], 1, l)
					continue
				}
				a, ok := newAppend(ctx, log, r, known)
				if !ok {
					continue
				}
				past = append(past, a)
				past = past[max(0, len(past)-20):]
				ask(ctx, log, a, 1+r.IntN(5)/4, l) // now and then twice at once
			}
		})
	}
	g.Wait()
}

// couples is the number of couples: few, so that clients often meet.
const couples = 24

// newAppend makes an append of one to six events, and reports false where the log cannot be read. known holds the versions of streams as they were last read.
func newAppend(ctx context.Context, log events.Log, r *rand.Rand, known map[events.Stream]events.Version) (events.Append, bool) {
	a := events.Append{Command: uuid.New()}
	streams, total := 1+r.IntN(2), 0
	counts := make([]int, streams)
	for i := range counts {
		counts[i] = 1 + r.IntN(3)
		total += counts[i]
	}
	n := 0
	for i, c := range r.Perm(couples)[:streams] {
		couple := strconv.Itoa(c)
		s := events.CoupleStream("TORTURE", couple)
		more, err := log.ReadStream(ctx, s, known[s], 0)
		if err != nil {
			time.Sleep(20 * time.Millisecond) // the database is away
			return a, false
		}
		known[s] += events.Version(len(more))
		w := events.Write{Stream: s, Expected: known[s]}
		if r.IntN(10) == 0 {
			w.Expected++ // out of date in the other direction: a conflict, unless the others come to it
		}
		for range counts[i] {
			n++
			e, err := events.Encode(domain.ScoreRecorded{Role: "A", Wave: 1, Construct: fmt.Sprintf("%s_%d_%d", a.Command, n, total), Value: float64(n), MeasuredAt: time.Unix(0, 0).UTC()})
			if err != nil {
				panic(err)
			}
			e.ID, e.Study, e.OccurredAt, e.By, e.Owner = uuid.Must(uuid.NewV7()), "TORTURE", time.Now(), domain.Actor{Role: domain.ActorSystem}, events.Owner("TORTURE", couple, "A")
			w.Events = append(w.Events, e)
		}
		a.Writes = append(a.Writes, w)
	}
	return a, true
}

// ask appends, from several goroutines at once, until there is an answer.
func ask(ctx context.Context, log events.Log, a events.Append, atOnce int, l listener) {
	l.asked(a)
	sum := sha256.New()
	for _, w := range a.Writes {
		for _, e := range w.Events {
			sum.Write(e.Payload)
		}
	}
	hash := fmt.Sprintf("%x", sum.Sum(nil)[:8])
	var g sync.WaitGroup
	for range atOnce {
		g.Go(func() {
			for ctx.Err() == nil {
				receipt, err := log.Append(ctx, a)
				switch {
				case err == nil:
					l.acked(acked{a.Command, receipt.First, receipt.Last, hash, receipt.Duplicate})
					return
				case domain.CodeOf(err) == domain.Unavailable: // perhaps stored: repeat with the same id
					time.Sleep(20 * time.Millisecond)
				default:
					if errors.Is(err, events.ErrConflict) {
						l.refused(a.Command)
					}
					return
				}
			}
		})
	}
	g.Wait()
}

// worker is the process that is killed: it appends, drives the read models, rebuilds them now and then, and tells its parent what was asked and answered.
// Its standard input lists what an earlier one asked for in vain.
func worker(s storage, seed uint64) error {
	ctx := context.Background()
	var open []events.Append
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		a, err := parseAsk(lines.Text())
		if err != nil {
			return err
		}
		open = append(open, a)
	}
	if lines.Err() != nil {
		return lines.Err()
	}
	h, err := s.open(ctx)
	if err != nil {
		return err
	}
	if seed%2 == 1 {
		jump(h)
	}
	quiet := slog.New(slog.DiscardHandler)
	var consumers []feed.Consumer
	for _, p := range projections.All(h.read) {
		consumers = append(consumers, p)
	}
	r, err := feed.NewRouter(h.log, feed.Options{Logger: quiet, Leader: h.read.Lead(ctx, quiet)}, consumers...)
	if err != nil {
		return err
	}
	go func() { _ = r.Run(ctx) }() // until the end, which is violent
	go func() {
		for {
			time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
			_ = projections.Rebuild(ctx, h.log, h.read, 0, nil) // one that was killed keeps the next away for a while
		}
	}()
	var mu sync.Mutex
	say := func(word string, what any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(word, what)
	}
	fmt.Println("ready")
	l := listener{
		asked:   func(a events.Append) { say("ask", formatAsk(a)) },
		refused: func(id uuid.UUID) { say("refused", id) },
		acked:   func(a acked) { say("ack", a) },
	}
	for _, a := range open {
		go ask(ctx, h.log, a, 1, l)
	}
	loadHeard(ctx, h.log, crashWriters, seed, l)
	return nil
}

// journal collects acknowledgements.
type journal struct {
	mu   sync.Mutex
	list []acked
}

func (j *journal) add(a acked) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, a)
}
