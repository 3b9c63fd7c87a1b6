package projections

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

// largeStudy is a log of about n events, made without deciding them: couples that enrol, answer three waves of
// one questionnaire, keep a diary for three days, and are rated by three judges; some scores
// are corrected. It is generated while it is read, so that it takes no memory.
type largeStudy struct {
	head events.Position
	kept []events.Envelope // the study's own events
}

const eventsPerCouple = 40

func newLargeStudy(tb testing.TB, n int) *largeStudy {
	l := &largeStudy{kept: testStudy(tb).log}
	l.head = events.Position(len(l.kept) + n/eventsPerCouple*eventsPerCouple)
	return l
}

func (l *largeStudy) Head(context.Context) (events.Position, error) { return l.head, nil }

func (l *largeStudy) Read(_ context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	var out []events.Envelope
	for p := after + 1; p <= l.head && len(out) < limit; p++ {
		if int(p) <= len(l.kept) {
			out = append(out, l.kept[p-1])
			continue
		}
		i := int(p) - len(l.kept) - 1
		// Couples are at the same point of the study together, as in a real one: the log does not go through them one by one.
		couples := (int(l.head) - len(l.kept)) / eventsPerCouple
		couple, step := fmt.Sprint(i%couples+1), i/couples
		at, err := events.Encode(largeEvent(couple, step))
		if err != nil {
			return nil, err
		}
		at.Position, at.Stream, at.Version, at.Study = p, events.CoupleStream("S", couple), events.Version(step+1), "S"
		at.RecordedAt = day0(0).Start(time.UTC).Add(time.Duration(p) * time.Millisecond)
		out = append(out, at)
	}
	return out, nil
}

// largeEvent is what happens to a couple at a step of eventsPerCouple.
func largeEvent(couple string, step int) domain.Event {
	role := []domain.Role{domain.RoleA, domain.RoleB}[step%2]
	n := step / 2
	at := day0(n).At(20, time.UTC)
	switch {
	case step == 0:
		return domain.CoupleEnrolled{Study: "S", Code: couple, EnrolledOn: day0(0), Participants: []domain.NewParticipant{
			{Role: domain.RoleA, Code: couple + "-w", Zone: "Europe/Berlin"}, {Role: domain.RoleB, Code: couple + "-h", Zone: "Europe/Berlin"}}}
	case step == 1:
		return domain.InteractionRecorded{Interaction: "t1", Task: "talk", Wave: 1, DurationMs: 1000, HeldAt: at}
	case step == 2:
		return domain.ClipCut{Clip: "k1", Interaction: "t1", EndMs: 500}
	case step == 3:
		return domain.ConsentGiven{Role: domain.RoleA, Scope: domain.ScopeDiary, Version: "1"}
	case n < 5: // waves 1 to 3
		return domain.QuestionnaireSubmitted{Role: role, Wave: n - 1, Instrument: "avo", Version: "1", Answers: answers(2, 4, 6), FilledAt: at, Timing: domain.TimingOnTime}
	case n < 14: // three judges, three dimensions
		k := n - 5
		return domain.RatingRecorded{Clip: "k1", Judge: fmt.Sprintf("J%d", k%3), Scheme: "warmth", Dimension: fmt.Sprintf("d%d", k/3), Target: role, Value: 4, RatedAt: at}
	case n < 17:
		return domain.DiarySubmitted{Role: role, Burst: "daily", Day: day0(n - 13), FilledAt: at, Timing: domain.TimingOnTime,
			Entries: []domain.DiaryEntry{{Instrument: "mood", Version: "1", Answers: answers(3, 4, 5)}}}
	case n < 19:
		return domain.ScoreRecorded{Role: role, Wave: n - 16, Construct: "satisfaction", Value: 12.5, MeasuredAt: at}
	default:
		return domain.ScoreCorrected{Role: role, Wave: 1, Construct: "satisfaction", Value: 13, Reason: "read wrongly"}
	}
}

// BenchmarkRebuild builds every read model from nothing.
func BenchmarkRebuild(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("sqlite/events=%d", n), func(b *testing.B) { benchRebuild(b, openFile(b), n) })
	}
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("postgres/events=%d", n), func(b *testing.B) { benchRebuild(b, openSchema(b, newSchema(b)), n) })
	}
}

func benchRebuild(b *testing.B, s *Store, n int) {
	log := newLargeStudy(b, n)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, Rebuild(b.Context(), log, s, 0, nil))
	}
	b.ReportMetric(float64(b.N)*float64(log.head)/b.Elapsed().Seconds(), "events/s")
	if peak, ok := peakMemory(); ok {
		b.ReportMetric(peak, "peak-MB")
	}
}

// peakMemory returns the most memory that the process has held so far, in MiB, the databases' caches
// included; false where the system does not tell.
func peakMemory() (float64, bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	_, after, found := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); !found || err != nil {
		return 0, false
	}
	return kib / 1024, true
}

// BenchmarkApplyOne is the way of one answer into every read model of a study that goes on.
func BenchmarkApplyOne(b *testing.B) {
	for name, open := range map[string]func() *Store{"sqlite": func() *Store { return openFile(b) }, "postgres": func() *Store { return openSchema(b, newSchema(b)) }} {
		b.Run(name, func(b *testing.B) {
			s := open()
			log := newLargeStudy(b, 100_000)
			after := log.head / 2
			require.NoError(b, CatchUp(b.Context(), &limited{log, after}, All(s), nil))
			b.ReportAllocs()
			for b.Loop() {
				batch, err := log.Read(b.Context(), after, 1)
				require.NoError(b, err)
				after = batch[0].Position
				for _, p := range All(s) {
					require.NoError(b, p.Apply(b.Context(), batch))
				}
			}
		})
	}
}

// limited is a log that ends before the log does.
type limited struct {
	*largeStudy
	end events.Position
}

func (l *limited) Head(context.Context) (events.Position, error) { return l.end, nil }

func (l *limited) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	return l.largeStudy.Read(ctx, after, min(limit, int(l.end-after)))
}

// BenchmarkWaveFrame makes the data of a whole study.
func BenchmarkWaveFrame(b *testing.B) {
	for _, couples := range []int{120, 2500} {
		b.Run(fmt.Sprintf("couples=%d", couples), func(b *testing.B) {
			s := openFile(b)
			require.NoError(b, CatchUp(b.Context(), newLargeStudy(b, couples*eventsPerCouple), All(s), nil))
			v, err := s.View(b.Context(), AsOf{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				d, err := v.WaveFrame(b.Context(), "S")
				require.NoError(b, err)
				require.Equal(b, couples*2*3, d.Frame.Rows())
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/float64(couples), "us/couple")
		})
	}
}

// BenchmarkPage reads what a list of couples with two trajectories each needs.
func BenchmarkPage(b *testing.B) {
	for _, couples := range []int{120, 2500} {
		b.Run(fmt.Sprintf("couples=%d", couples), func(b *testing.B) {
			s := openFile(b)
			require.NoError(b, CatchUp(b.Context(), newLargeStudy(b, couples*eventsPerCouple), All(s), nil))
			v, err := s.View(b.Context(), AsOf{})
			require.NoError(b, err)
			for b.Loop() {
				page, err := v.Couples(b.Context(), "S", CoupleFilter{}, Page{First: 50, After: "20"})
				require.NoError(b, err)
				var ids []SeriesID
				for _, c := range page.Items {
					for _, p := range c.Participants {
						ids = append(ids, SeriesID{p.PersonID, "avoidance"}, SeriesID{p.PersonID, "satisfaction"})
					}
				}
				found, err := v.TrajectoriesByID(b.Context(), ids)
				require.NoError(b, err)
				require.Len(b, found, 200)
			}
		})
	}
}
