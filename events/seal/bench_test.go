package seal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/postgres"
	"asem/events/seal"
	"asem/events/sqlite"
)

// diary is what a participant sends on a day: twelve answers, 500 bytes of JSON.
func diary(b *testing.B) events.Envelope {
	day := domain.NewDate(2025, 3, 1)
	e := domain.DiarySubmitted{Role: "A", Burst: "daily", Day: day, FilledAt: day.At(18, time.UTC), Timing: domain.TimingOnTime}
	entry := domain.DiaryEntry{Instrument: "daily-core", Version: "1"}
	for i := range 12 {
		v := i % 7
		entry.Answers = append(entry.Answers, domain.Answer{Item: fmt.Sprintf("pr%02d", i), Value: &v})
	}
	e.Entries = []domain.DiaryEntry{entry}
	env, err := events.Encode(e)
	require.NoError(b, err)
	env.OccurredAt, env.By = e.FilledAt, domain.Actor{Role: domain.ActorParticipant, Subject: "017a"}
	return env
}

// treeless is a backend that stores no tiles of trees: what planting is compared with. It serves a log with one committer.
type treeless struct{ events.Archive }

func (t treeless) Begin(ctx context.Context, q events.Question) (events.Tx, events.Known, error) {
	known := events.Known{Versions: map[events.Stream]events.Version{}}
	var err error
	if known.Head, err = t.Head(ctx); err != nil {
		return nil, known, err
	}
	for _, s := range q.Streams {
		list, err := t.ReadStream(ctx, s, 0, 0)
		if err != nil {
			return nil, known, err
		}
		known.Versions[s] = events.Version(len(list))
	}
	return t, known, nil
}

func (t treeless) Extend(ctx context.Context, b events.Batch) error {
	b.Tiles = nil
	return t.Archive.Extend(ctx, b)
}

func (t treeless) Store(ctx context.Context, b events.Batch) error { return t.Extend(ctx, b) }
func (t treeless) Rollback()                                       {}

var backends = []struct {
	name string
	open func(b *testing.B) events.Archive
}{
	{"sqlite", func(b *testing.B) events.Archive {
		log, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "log.db"))
		require.NoError(b, err)
		return log
	}},
	{"postgres", func(b *testing.B) events.Archive {
		log, err := postgres.OpenSchema(context.Background(), eventstest.Postgres(b), "asem_protection_"+uuid.NewString()[:8])
		require.NoError(b, err)
		return log
	}},
}

// appender is what this benchmark needs of a log.
type appender interface {
	Append(ctx context.Context, a events.Append) (events.Receipt, error)
}

// BenchmarkProtection compares appends that are sealed and planted into a study's tree with appends that are not sealed and whose tree is
// not stored.
func BenchmarkProtection(b *testing.B) {
	for _, on := range backends {
		b.Run(on.name, func(b *testing.B) {
			bare, whole := on.open(b), on.open(b)
			bareLog := events.NewCommitter(treeless{bare}, func(events.Position) {})
			sealed := seal.New(whole, keys(b))
			defer func() {
				bareLog.Close()
				require.NoError(b, bare.Close())
				require.NoError(b, whole.Close())
			}()
			event := diary(b)
			writers := func(log appender, owned bool) func(int) func() error {
				return func(n int) func() error {
					s, v := events.Stream(fmt.Sprintf("couple/DEMO/%03d", n)), events.Version(0)
					do := func() error {
						e := event
						e.ID, e.Study = uuid.Must(uuid.NewV7()), "DEMO"
						if owned {
							e.Owner = fmt.Sprintf("DEMO/%03d/A", n)
						}
						_, err := log.Append(context.Background(), events.Append{Command: e.ID, Writes: []events.Write{{Stream: s, Expected: v, Events: []events.Envelope{e}}}})
						v++
						return err
					}
					require.NoError(b, do()) // makes the owner's key, once for all
					return do
				}
			}
			turns := eventstest.Turns(b, []eventstest.Way{
				{Name: "neither", Writers: 64, Writer: writers(bareLog, false)},
				{Name: "both", Writers: 64, Writer: writers(sealed, true)},
			})
			b.ReportMetric(100*(1-eventstest.Ratio(turns["both"], turns["neither"], eventstest.PerSecond)), "%-cost")
		})
	}
}

// BenchmarkReading compares reading, unsealing and decoding the log with what encoding/json alone takes for the same payloads. With -cpu 1 nothing is read ahead on
// another core.
func BenchmarkReading(b *testing.B) {
	for _, on := range backends {
		b.Run(on.name, func(b *testing.B) { benchReading(b, on.open(b)) })
	}
}

func benchReading(b *testing.B, inner events.Archive) {
	const n = 20_000
	log := seal.New(inner, keys(b))
	defer func() { require.NoError(b, log.Close()) }()
	event := diary(b)
	for done := events.Version(0); done < n; done += 1000 {
		w := events.Write{Stream: "couple/DEMO/001", Expected: done}
		for range 1000 {
			e := event
			e.ID, e.Study, e.Owner = uuid.Must(uuid.NewV7()), "DEMO", "DEMO/001/A"
			w.Events = append(w.Events, e)
		}
		_, err := log.Append(context.Background(), events.Append{Command: uuid.New(), Writes: []events.Write{w}})
		require.NoError(b, err)
	}
	read := func() {
		seen := 0
		require.NoError(b, events.Scan(context.Background(), log, 0, n, func(list []events.Envelope) error {
			for _, at := range list {
				if _, err := events.Decode(at); err != nil {
					return err
				}
				seen++
			}
			return nil
		}))
		require.Equal(b, n, seen)
	}
	plain := func() {
		for range n {
			var e domain.DiarySubmitted
			if err := json.Unmarshal(event.Payload, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	timed := func(work func()) (took, used float64) {
		began, before := time.Now(), cpuTime()
		work()
		return time.Since(began).Seconds(), (cpuTime() - before).Seconds()
	}
	var reading, decoding, ratios, cpu []float64
	for b.Loop() { // one after the other, so that whatever else the machine does slows both
		r, rUsed := timed(read)
		d, dUsed := timed(plain)
		reading, decoding, ratios, cpu = append(reading, n/r), append(decoding, n/d), append(ratios, d/r), append(cpu, dUsed/rUsed)
	}
	b.ReportMetric(middle(reading), "events/s")
	b.ReportMetric(middle(decoding), "json-events/s")
	b.ReportMetric(middle(ratios), "x-json")
	b.ReportMetric(middle(cpu), "x-json-cpu") // by the time that this process had of the processors, whoever else used them
}

func middle(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
