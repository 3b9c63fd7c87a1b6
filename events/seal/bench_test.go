package seal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
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

// BenchmarkProtection compares appends that are sealed and planted into a study's tree with appends that are neither: events of no study have no tree.
func BenchmarkProtection(b *testing.B) {
	for backend, open := range map[string]func(b *testing.B) events.Archive{
		"sqlite": func(b *testing.B) events.Archive {
			log, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "log.db"))
			require.NoError(b, err)
			return log
		},
		"postgres": func(b *testing.B) events.Archive {
			log, err := postgres.OpenSchema(context.Background(), eventstest.Postgres(b), "asem_protection_"+uuid.NewString()[:8])
			require.NoError(b, err)
			return log
		},
	} {
		b.Run(backend, func(b *testing.B) {
			for _, c := range []struct{ name, study string }{{"neither", ""}, {"both", "DEMO"}} {
				inner := open(b)
				log := events.Log(inner)
				if c.study != "" {
					log = seal.New(inner, keys(b))
				}
				var writers atomic.Int64
				event := diary(b)
				eventstest.BenchAppends(b, c.name, func(int) func() error {
					n := writers.Add(1)
					s, v := events.Stream(fmt.Sprintf("couple/DEMO/%03d", n)), events.Version(0)
					do := func() error {
						e := event
						e.ID, e.Study = uuid.Must(uuid.NewV7()), c.study
						if c.study != "" {
							e.Owner = fmt.Sprintf("DEMO/%03d/A", n)
						}
						_, err := log.Append(context.Background(), events.Append{Command: e.ID, Writes: []events.Write{{Stream: s, Expected: v, Events: []events.Envelope{e}}}})
						v++
						return err
					}
					require.NoError(b, do()) // makes the owner's key, once for all
					return do
				})
				require.NoError(b, log.Close())
			}
		})
	}
}

// BenchmarkReading compares reading, unsealing and decoding the log with what encoding/json alone takes for the same payloads.
func BenchmarkReading(b *testing.B) {
	const n = 20_000
	inner, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "log.db"))
	require.NoError(b, err)
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
	rate := func(b *testing.B) { b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s") }
	b.Run("log", func(b *testing.B) {
		for b.Loop() {
			seen := 0
			err := events.Scan(context.Background(), log, 0, n, func(list []events.Envelope) error {
				for _, at := range list {
					if _, err := events.Decode(at); err != nil {
						return err
					}
					seen++
				}
				return nil
			})
			require.NoError(b, err)
			require.Equal(b, n, seen)
		}
		rate(b)
	})
	b.Run("encoding-json", func(b *testing.B) {
		for b.Loop() {
			for range n {
				var e domain.DiarySubmitted
				if err := json.Unmarshal(event.Payload, &e); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b)
	})
}
