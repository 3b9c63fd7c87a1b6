package eventstest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/events"
)

// Bench measures a log as its users meet it: appends of one event of 400 bytes, each acknowledged when durable, by
// one writer and by 64, each on a stream of its own; and reading the log in pages. It reports appends per second and
// the median and 99th percentile of how long one took.
func Bench(b *testing.B, open Open) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("append/writers=%d", writers), func(b *testing.B) {
			l := open(b, fmt.Sprintf("b%d", opened.Add(1)))
			defer func() { require.NoError(b, l.Close()) }()
			benchAppends(b, writers, func(writer int) func() error {
				s, v := events.Stream(fmt.Sprintf("couple/DEMO/%03d", writer)), events.Version(0)
				return func() error {
					_, err := l.Append(context.Background(), ordinary(s, v))
					v++
					return err
				}
			})
		})
	}
	b.Run("read/page=500", func(b *testing.B) {
		l := open(b, fmt.Sprintf("b%d", opened.Add(1)))
		defer func() { require.NoError(b, l.Close()) }()
		const n = 5000
		for v := events.Version(0); v < n; v += 500 {
			w := events.Write{Stream: "couple/DEMO/001", Expected: v}
			for i := range events.Version(500) {
				w.Events = append(w.Events, ordinary(w.Stream, v+i).Writes[0].Events...)
			}
			must(b, l, command(w))
		}
		b.ReportAllocs()
		for b.Loop() {
			if len(all(b, l)) != n {
				b.Fatal("the log is not as long as what was stored")
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchAppends measures another way to store one event of the same size, to compare with. work is called once
// for each writer and returns what one append does.
func BenchAppends(b *testing.B, name string, work func(writer int) func() error) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) { benchAppends(b, writers, work) })
	}
}

func benchAppends(b *testing.B, writers int, work func(writer int) func() error) {
	appends := make([]func() error, writers)
	for i := range appends {
		appends[i] = work(i)
	}
	took := make([][]time.Duration, writers)
	var left atomic.Int64
	left.Store(int64(b.N))
	var g sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i, do := range appends {
		g.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				if err := do(); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	g.Wait()
	b.StopTimer()
	every := slices.Concat(took...)
	slices.Sort(every)
	if len(every) == 0 {
		return
	}
	b.ReportMetric(float64(len(every))/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(every[len(every)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(every[len(every)*99/100].Microseconds()), "p99-µs")
}

var answers = fmt.Appendf(nil, `{"role":"a","answers":%q}`, make([]byte, 90)) // about 400 bytes of JSON

// ordinary is the append of one event.
func ordinary(s events.Stream, expected events.Version) events.Append {
	e := event("")
	e.Payload = answers
	a := command(events.Write{Stream: s, Expected: expected, Events: []events.Envelope{e}})
	a.Command = uuid.Must(uuid.NewV7()) // as asem's own clients make them: ids that follow each other stand on the same page
	return a
}
