package web

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/media"
	"asem/domain"
)

// streaming is a study with videos of a minute at 2 Mbit/s and coders who have claimed a clip of one.
type streaming struct {
	*study
	coders []*client
	paths  []string // of the video of each coder
}

// The videos of benchmarks: bytes of one second, and seconds.
const second, seconds = 2_000_000 / 8, 60

func newStreaming(b *testing.B, coders, videos int) *streaming {
	b.Helper()
	s := &streaming{study: newStudy(b, withCoding)}
	s.agreed("A", "B")
	plain := make([]byte, seconds*second)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(plain) // never fails
	for v := range videos {
		in, clip := fmt.Sprintf("i%d", v), fmt.Sprintf("c%d", v)
		s.do(domain.RecordInteraction{Study: "S", Couple: "C1", Interaction: in, Task: "talk", DurationMs: seconds * 1000, HeldAt: s.clock.now()},
			domain.CutClip{Study: "S", Couple: "C1", Clip: clip, Interaction: in, EndMs: seconds * 1000})
		_, err := s.videos.Keep(b.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, media.Couple{Study: "S", Code: "C1"}, in,
			media.Facts{DurationMs: seconds * 1000, RateNum: 25, RateDen: 1, Width: 1280, Height: 720, Codec: "h264"}, bytes.NewReader(plain))
		require.NoError(b, err)
	}
	for n := range coders {
		name := fmt.Sprintf("coder%d", n)
		c := s.member(name, domain.ActorCoder)
		judge, id := s.userNamed(name), uuid.NewString()
		s.do(domain.EnlistJudge{Study: "S", Judge: judge},
			domain.MakeAssignment{Study: "S", Couple: "C1", Assignment: id, Clip: fmt.Sprintf("c%d", n%videos), Scheme: "warm", Judge: judge, Place: 1, Purpose: domain.PurposeStudy, On: enrolled},
			domain.ClaimAssignment{Study: "S", Couple: "C1", Assignment: id, Judge: judge, At: s.clock.now()})
		c.Transport = &http.Transport{}
		s.coders, s.paths = append(s.coders, c), append(s.paths, "/code/"+id+"/video")
	}
	return s
}

// fetch asks for a second of a video, and returns how long it took until all of it was there.
func (s *streaming) fetch(coder, from int) (time.Duration, error) {
	began := time.Now()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+s.paths[coder], nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+second-1))
	res, err := s.coders[coder].Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusPartialContent || n != second) {
		err = fmt.Errorf("status %d, %d bytes", res.StatusCode, n)
	}
	return time.Since(began), err
}

// BenchmarkRange is one second of a video after the other, for one coder.
func BenchmarkRange(b *testing.B) {
	s := newStreaming(b, 1, 1)
	b.SetBytes(second)
	b.ReportAllocs()
	for at := 0; b.Loop(); at++ {
		if _, err := s.fetch(0, at%(seconds-1)*second); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFiftyCoders watches videos of 2 Mbit/s as 50 coders at once do, through the whole server: session, grant, decryption, HTTP ranges. A player asks each second for
// the next second; one time in ten its coder jumps elsewhere, and it asks for three at once. It runs for 20 s and reports the time from asking for a range to having
// all of it, and how much the heap grew. The coders run in the same process, so that the server has less than the machine.
//
//	go test ./cmd/asem/internal/web -run '^$' -bench FiftyCoders -benchtime 1x -cpu 2
func BenchmarkFiftyCoders(b *testing.B) {
	s := newStreaming(b, 50, 10)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		var mu sync.Mutex
		var took []time.Duration
		before, until := heap(), time.Now().Add(20*time.Second)
		var all sync.WaitGroup
		for n := range s.coders {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // a test
				time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for at := rng.IntN(seconds - 3); time.Now().Before(until); <-tick.C {
					ask := 1
					if rng.IntN(10) == 0 {
						at, ask = rng.IntN(seconds-3), 3
					}
					for range ask {
						d, err := s.fetch(n, at%(seconds-1)*second)
						if err != nil {
							b.Error(err)
							return
						}
						at++
						mu.Lock()
						took = append(took, d)
						mu.Unlock()
					}
				}
			})
		}
		peak := make(chan uint64)
		done := make(chan struct{})
		go func() {
			var most uint64
			for {
				select {
				case <-done:
					peak <- most
					return
				case <-time.After(500 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			}
		}()
		all.Wait()
		close(done)
		slices.Sort(took)
		ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
		b.ReportMetric(float64(len(took))*second*8/1e6/20, "Mbit/s")
		b.ReportMetric(ms(0.5), "p50-ms")
		b.ReportMetric(ms(0.99), "p99-ms")
		b.ReportMetric(ms(1), "max-ms")
		b.ReportMetric(float64(<-peak)/1e6, "peak-heap-MB")
		b.ReportMetric((float64(heap())-float64(before))/1e6, "heap-grown-MB")
	}
}
