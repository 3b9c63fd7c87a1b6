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
			benchAppends(b, writers, Appends(l))
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

// Way is a way to store one event of 400 to 500 bytes: a log, or what it is compared with.
type Way struct {
	Name    string
	Writers int
	Writer  func(writer int) func() error // makes a writer, and returns its append
}

// Turn is what a way did in its turn.
type Turn struct {
	PerSecond float64       // appends
	Median    time.Duration // of how long one took
}

// turnTime is how long a turn lasts.
const turnTime = 300 * time.Millisecond

// Turns lets each way append for a moment, in turns, b.N times over, so that whatever else the machine does slows all of them. It returns the turns of each.
func Turns(b *testing.B, ways []Way) map[string][]Turn {
	turns, writers := map[string][]Turn{}, map[string][]func() error{}
	for _, w := range ways {
		for i := range w.Writers {
			writers[w.Name] = append(writers[w.Name], w.Writer(i))
		}
	}
	for b.Loop() {
		for _, w := range ways {
			began := time.Now()
			took := appendAll(b, writers[w.Name], func() bool { return time.Since(began) < turnTime })
			if len(took) == 0 {
				b.Fatalf("%s appended nothing", w.Name)
			}
			turns[w.Name] = append(turns[w.Name], Turn{float64(len(took)) / time.Since(began).Seconds(), took[len(took)/2]})
		}
	}
	for _, w := range ways {
		b.ReportMetric(Middle(turns[w.Name], PerSecond), w.Name+"/s")
	}
	return turns
}

// Middle returns the median of something about turns.
func Middle(turns []Turn, of func(Turn) float64) float64 {
	list := make([]float64, len(turns))
	for i, t := range turns {
		list[i] = of(t)
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// Ratio returns the median of how something about the turns of one way compares with the same about those of another.
func Ratio(one, other []Turn, of func(Turn) float64) float64 {
	list := make([]float64, len(one))
	for i := range one {
		list[i] = of(one[i]) / of(other[i])
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// PerSecond and Median are what to compare.
func PerSecond(t Turn) float64 { return t.PerSecond }
func Median(t Turn) float64    { return float64(t.Median) }

// Appends returns writers of a log, each to a stream of its own.
func Appends(l events.Log) func(int) func() error {
	return func(int) func() error {
		s, v := events.Stream(fmt.Sprintf("couple/DEMO/%03d", opened.Add(1))), events.Version(0)
		return func() error {
			_, err := l.Append(context.Background(), ordinary(s, v))
			v++
			return err
		}
	}
}

func benchAppends(b *testing.B, writers int, work func(writer int) func() error) {
	appends := make([]func() error, writers)
	for i := range appends {
		appends[i] = work(i)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	every := appendAll(b, appends, func() bool { return left.Add(-1) >= 0 })
	b.StopTimer()
	if len(every) == 0 {
		return
	}
	b.ReportMetric(float64(len(every))/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(every[len(every)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(every[len(every)*99/100].Microseconds()), "p99-µs")
}

// appendAll lets writers append at the same time while there is more to do, and returns how long each append took, the shortest first.
func appendAll(b *testing.B, appends []func() error, more func() bool) []time.Duration {
	took := make([][]time.Duration, len(appends))
	var g sync.WaitGroup
	for i, do := range appends {
		g.Go(func() {
			for more() {
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
	every := slices.Concat(took...)
	slices.Sort(every)
	return every
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
