package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

// While one process rebuilds, another goes on applying what comes in, and readers read on; when the slots have changed places nothing is missing, and who began to
// read before reads what was there before.
func TestRebuildUnderLiveWrites(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		running, rebuilding := open(), open()
		for c := range 150 {
			h.do(t, enrol(fmt.Sprint(c))...)
		}
		require.NoError(t, CatchUp(t.Context(), h, All(running), nil))
		begun, err := running.View(t.Context(), AsOf{})
		require.NoError(t, err)
		want := readAll(t, running, h.head())
		seen := 0
		log := &growing{history: h}
		err = Rebuild(t.Context(), log, rebuilding, 0, func(done, _ events.Position) {
			if seen++; seen > 3 {
				return
			}
			b, is, err := running.Building(t.Context())
			require.NoError(t, err)
			require.True(t, is)
			assert.Equal(t, done, b.Position)
			assert.ErrorContains(t, Rebuild(t.Context(), h, running, 0, nil), "a rebuild is under way")
			h.do(t, enrol(fmt.Sprint("more", seen))...)
			for _, p := range All(running) {
				require.NoError(t, p.Apply(t.Context(), h.log[len(h.log)-9:]))
			}
			now, err := running.standing(t.Context())
			require.NoError(t, err)
			assert.Equal(t, begun.slots, now.slots, "nobody reads what is half built")
		})
		require.NoError(t, err)
		require.Greater(t, seen, 1)
		after, err := running.View(t.Context(), AsOf{})
		require.NoError(t, err)
		assert.NotEqual(t, begun.slots, after.slots)
		assert.Equal(t, h.head(), after.at)
		plain := openFile(t)
		require.NoError(t, CatchUp(t.Context(), h, All(plain), nil))
		assert.Equal(t, contents(t, plain, everyRow), contents(t, running, everyRow))
		sameRead(t, want, readAll(t, running, begun.at))
		h.do(t, enrol("later")...)
		for _, p := range All(running) {
			require.NoError(t, p.Apply(t.Context(), h.log[len(h.log)-9:]), "the handle goes on in the new slot")
		}
		_, is, err := running.Building(t.Context())
		require.NoError(t, err)
		assert.False(t, is)
	})
}

// growing is a history that may grow while it is read.
type growing struct{ *history }

// A rebuild that fails leaves what was read as it was, and does not stand in the way of the next.
func TestAFailedRebuildChangesNothing(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		h.do(t, enrol("1")...)
		s := open()
		require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
		want := contents(t, s, everyRow)
		bad := &history{log: slices.Clone(h.log)}
		bad.log[5].Type = "couple.teleported"
		var poison *ApplyError
		require.ErrorAs(t, Rebuild(t.Context(), bad, s, 0, nil), &poison)
		assert.Equal(t, want, contents(t, s, everyRow))
		ctx, cancel := context.WithCancel(t.Context())
		require.ErrorIs(t, Rebuild(ctx, h, s, 0, func(events.Position, events.Position) { cancel() }), context.Canceled)
		assert.Equal(t, want, contents(t, s, everyRow))

		dead, err := s.beginRebuild(t.Context()) // its process dies here
		require.NoError(t, err)
		assert.Equal(t, domain.Conflict, domain.CodeOf(Rebuild(t.Context(), h, s, 0, nil)))
		dead.end()
		s.now = func() time.Time { return time.Now().Add(deadAfter + time.Second) }
		require.NoError(t, Rebuild(t.Context(), h, s, 0, nil)) // what the dead one filled is in use now
		assert.Equal(t, want, contents(t, s, everyRow))
		require.ErrorIs(t, dead.projections[0].Apply(t.Context(), h.log), errTakenOver, "it comes back too late")
		require.ErrorIs(t, dead.empty(t.Context()), errTakenOver)
		_, err = dead.swap(t.Context(), h, 0)
		require.ErrorIs(t, err, errTakenOver)
		dead.giveUp()
		assert.Equal(t, want, contents(t, s, everyRow))
	})
}

// A crash of PostgreSQL empties the read models. Whoever applies events finds out and builds them again.
func TestReadModelsThatWereEmptied(t *testing.T) {
	s := openSchema(t, newSchema(t))
	h := testStudy(t)
	h.do(t, enrol("1")...)
	require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
	want := contents(t, s, everyRow)
	for _, p := range All(s) {
		for _, slot := range slots {
			_, err := s.writer.ExecContext(t.Context(), "TRUNCATE "+strings.Join(s.tablesOf(p, slot), ", ")+", checkpoint, active_slot")
			require.NoError(t, err)
		}
	}
	at, err := s.Position(t.Context())
	require.NoError(t, err)
	assert.Zero(t, at)
	for _, p := range All(s) {
		assert.ErrorIs(t, p.Apply(t.Context(), h.log[len(h.log)-1:]), ErrRebuilding)
		at, err := p.Checkpoint(t.Context())
		require.NoError(t, err)
		assert.Zero(t, at)
		require.NoError(t, p.Apply(t.Context(), h.log))
	}
	assert.Equal(t, want, contents(t, s, everyRow))
}

// shown is as much of a history as was appended so far.
type shown struct {
	*history
	n atomic.Int64
}

func (l *shown) Head(context.Context) (events.Position, error) {
	return events.Position(l.n.Load()), nil
}

func (l *shown) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	return l.history.Read(ctx, after, min(limit, int(l.n.Load()-int64(after))))
}

// Whatever is appended and read while read models are rebuilt: every view shows what a plain rebuild shows at its position, positions never go
// back, and at the end all is there.
func TestRebuildsUnderRandomLife(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		running, rebuilding, plain := open(), open(), openFile(t)
		fewerChecks(t, map[Dialect]int{SQLite: 15, PostgreSQL: 5}[running.dialect])
		rapid.Check(t, func(t *rapid.T) {
			h := randomHistory(t, rapid.IntRange(20, 60).Draw(t, "steps"))
			log := &shown{history: h}
			log.n.Store(int64(rapid.IntRange(0, len(h.log)-1).Draw(t, "before")))
			cuts := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 50).Draw(t, "cuts")
			resetAll(t, running)
			ctx, failed := t.Context(), make(chan error, 2)
			require.NoError(t, running.AbandonRebuild(ctx)) // of the case before, whose readers are gone
			require.NoError(t, CatchUp(ctx, log, All(running), nil))

			var life sync.WaitGroup
			var rebuilt atomic.Bool
			life.Go(func() {
				for i := 0; int(log.n.Load()) < len(h.log); i++ {
					from := log.n.Load()
					log.n.Store(min(int64(len(h.log)), from+int64(cuts[i%len(cuts)])))
					for _, p := range All(running) {
						if err := p.Apply(ctx, h.log[from:log.n.Load()]); err != nil {
							failed <- fmt.Errorf("apply after %d: %w", from, err)
							return
						}
					}
				}
				failed <- nil
			})
			life.Go(func() {
				defer rebuilt.Store(true)
				r, err := rebuilding.beginRebuild(ctx)
				if err == nil {
					err = r.run(ctx, log, time.Hour, nil)
					r.end()
				}
				failed <- err
			})
			read := map[events.Position]map[string]any{}
			last := events.Position(0)
			for enough := false; !enough; {
				enough = rebuilt.Load()
				v, err := running.View(ctx, AsOf{})
				require.NoError(t, err)
				require.GreaterOrEqual(t, v.Position(), last)
				last = v.Position()
				got := readView(t, v)
				if before, again := read[last]; again {
					sameRead(t, before, got)
				}
				read[last] = got
			}
			life.Wait()
			require.NoError(t, errors.Join(<-failed, <-failed))
			require.NoError(t, Rebuild(ctx, h, plain, 0, nil))
			for at, got := range read {
				sameRead(t, readAll(t, plain, at), got)
			}
			require.Equal(t, contents(t, plain, everyRow), contents(t, running, everyRow))
		})
	})
}

// Rows that views show together come from the same slots: what stood in the old ones is marked, and either all or nothing of what is read carries the mark.
func TestAViewIsOfOneSlot(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		for c := range 30 {
			h.do(t, enrol(fmt.Sprint(c))...)
			h.do(t, record(fmt.Sprint(c), "A", 1, 5), domain.CorrectScore{Study: "S", Couple: fmt.Sprint(c), Role: "A", Wave: 1, Construct: "satisfaction", Value: 6, Reason: "r"})
		}
		reading, rebuilding := open(), open()
		require.NoError(t, CatchUp(t.Context(), h, All(reading), nil))
		for _, text := range []string{`UPDATE {study} SET content = replace(content, '"Title":"', '"Title":"old')`, `UPDATE {participant} SET zone = 'old'`, `UPDATE {score} SET reason = 'old'`} {
			_, err := reading.writer.ExecContext(t.Context(), reading.expand(text, slots[0]))
			require.NoError(t, err)
		}
		look := func() (old bool) {
			v, err := reading.View(t.Context(), AsOf{})
			require.NoError(t, err)
			study, err := v.Study(t.Context(), "S")
			require.NoError(t, err)
			old = strings.HasPrefix(study.Title, "old")
			couples, err := v.Couples(t.Context(), "S", CoupleFilter{}, Page{First: 100})
			require.NoError(t, err)
			require.Len(t, couples.Items, 30)
			for _, c := range couples.Items {
				for _, p := range c.Participants {
					require.Equal(t, old, p.Zone == "old")
				}
			}
			n := 0
			require.NoError(t, v.Scores(t.Context(), "S", func(s Score) error {
				n++
				require.Equal(t, old, s.Reason == "old")
				return nil
			}))
			require.Equal(t, 30, n)
			return old
		}
		require.True(t, look())
		swapped := make(chan error, 1)
		go func() {
			r, err := rebuilding.beginRebuild(t.Context())
			if err == nil {
				err = r.run(t.Context(), h, time.Hour, nil)
				r.end()
			}
			swapped <- err
		}()
		for look() {
		}
		require.NoError(t, <-swapped)
		require.False(t, look())
	})
}

// A view may be read from for as long as the grace lasts, and is never answered from slots that were emptied under it.
func TestAViewOutlivesASwapForSomeTime(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		h.do(t, enrol("1")...)
		s := open()
		require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
		v, err := s.View(t.Context(), AsOf{})
		require.NoError(t, err)
		want := readView(t, v)

		for patience := 300 * time.Millisecond; ; patience *= 3 { // enough on an idle machine, where it then is left while it waits for readers
			soon, cancel := context.WithTimeout(t.Context(), patience)
			err := Rebuild(soon, h, s, time.Hour, nil)
			cancel()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, patience, time.Minute, "it is done, and may be left")
		}
		v.begun = v.begun.Add(-10 * young)
		sameRead(t, want, readView(t, v))
		soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, Rebuild(soon, h, s, 0, nil), context.DeadlineExceeded, "the next waits for those who still read")
		sameRead(t, want, readView(t, v))

		require.NoError(t, s.AbandonRebuild(t.Context()))
		require.NoError(t, Rebuild(t.Context(), h, s, 0, nil))
		_, err = v.Couples(t.Context(), "S", CoupleFilter{}, Page{First: 10})
		require.Equal(t, domain.Unavailable, domain.CodeOf(err))
		assert.ErrorContains(t, err, "built anew")
		require.NoError(t, Rebuild(t.Context(), h, s, 0, nil))
		_, err = v.Couples(t.Context(), "S", CoupleFilter{}, Page{First: 10})
		require.Equal(t, domain.Unavailable, domain.CodeOf(err), "also when they were filled again")
	})
}

// Whoever reads rows one by one, and reads more while he does, is not locked out by an emptying that waits for him to finish.
func TestEmptyingWaitsForReadersWithoutStoppingThem(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		for c := range 200 {
			h.do(t, enrol(fmt.Sprint(c))...)
			h.do(t, record(fmt.Sprint(c), "A", 1, 5))
		}
		s := open()
		require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
		v, err := s.View(t.Context(), AsOf{})
		require.NoError(t, err)
		done := make(chan error, 1)
		rows := 0
		require.NoError(t, v.Scores(t.Context(), "S", func(Score) error {
			if rows++; rows == 1 {
				go func() { done <- Rebuild(t.Context(), h, s, 0, nil) }()
			}
			if rows < 10 {
				time.Sleep(100 * time.Millisecond) // long enough for the emptying to begin
				_, err := v.Couple(t.Context(), CoupleID{"S", "1"})
				if domain.CodeOf(err) != domain.NotFound { // without grace, what nobody is reading at the moment is emptied at once
					return err
				}
			}
			return nil
		}))
		assert.Equal(t, 200, rows)
		require.NoError(t, <-done)
	})
}

// Two versions of asem may run beside each other, and each reads what it has built. What the earlier one built goes when it is retired.
func TestVersionsStandBesideEachOther(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		h.do(t, enrol("1")...)
		earlier := open()
		require.NoError(t, CatchUp(t.Context(), h, All(earlier), nil))
		changed := definitions()
		for i := range changed {
			if changed[i].name == "trajectory" {
				changed[i].version++
			}
		}
		later, err := newStore(t.Context(), earlier.writer, earlier.reader, earlier.dialect, changed)
		require.NoError(t, err)
		later.schema = earlier.schema
		at, err := later.Position(t.Context())
		require.NoError(t, err)
		assert.Zero(t, at, "one read model has to be built first")
		require.NoError(t, CatchUp(t.Context(), h, All(later), nil))
		h.do(t, record("1", "A", 1, 5))
		for _, s := range []*Store{earlier, later} {
			require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
		}
		assert.Equal(t, readAll(t, earlier, h.head()), readAll(t, later, h.head()))
		require.NoError(t, Rebuild(t.Context(), h, later, 0, nil))
		want := readAll(t, later, h.head())
		assert.Equal(t, want, readAll(t, earlier, h.head()), "a rebuild of shared models is seen by both")

		gone, err := earlier.Retire(t.Context())
		require.NoError(t, err)
		assert.Empty(t, gone, "what is newer than the program is none of its business")
		gone, err = later.Retire(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{fmt.Sprintf("trajectory %d", changed[slices.IndexFunc(changed, func(d definition) bool { return d.name == "trajectory" })].version-1)}, gone)
		assert.Equal(t, want, readAll(t, later, h.head()))
		h.do(t, record("1", "B", 1, 4))
		require.NoError(t, CatchUp(t.Context(), h, All(later), nil))
		for _, p := range All(earlier) {
			if p.name == "trajectory" {
				assert.Error(t, p.Apply(t.Context(), h.log[len(h.log)-1:]))
			}
		}
	})
}
