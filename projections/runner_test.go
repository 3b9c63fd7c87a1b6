package projections

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

// content is every row of a read model, as text: table -> sorted rows of column=value.
func content(t tb, p *Projection, keep func(row map[string]any) bool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	now, err := p.store.standing(context.Background())
	require.NoError(t, err)
	i := p.store.index(p.name, p.version)
	slot := now.slots[i : i+1]
	for _, name := range p.store.tablesOf(p, slot) {
		rows, err := p.store.reader.QueryContext(context.Background(), `SELECT * FROM `+name)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		require.NoError(t, each(rows, func(scan scanner) error {
			values, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				to[i] = &values[i]
			}
			if err := scan(to...); err != nil {
				return err
			}
			row := map[string]any{}
			for i, c := range columns {
				row[c] = values[i]
			}
			if !keep(row) {
				return nil
			}
			var b strings.Builder
			for _, c := range columns {
				fmt.Fprintf(&b, "%s=%q ", c, fmt.Sprint(row[c]))
			}
			table := strings.TrimSuffix(name, "_"+slot)
			out[table] = append(out[table], b.String())
			return nil
		}))
		slices.Sort(out[strings.TrimSuffix(name, "_"+slot)])
	}
	return out
}

func everyRow(map[string]any) bool { return true }

func contents(t tb, s *Store, keep func(map[string]any) bool) map[string]map[string][]string {
	out := map[string]map[string][]string{}
	for _, p := range All(s) {
		out[p.Name()] = content(t, p, keep)
	}
	return out
}

func resetAll(t tb, s *Store) {
	now, err := s.standing(context.Background())
	require.NoError(t, err)
	for i, p := range All(s) {
		slot := now.slots[i : i+1]
		require.NoError(t, s.change(context.Background(), func(tx *sql.Tx) error {
			return s.emptyTables(context.Background(), tx, modelSlot{p.name, p.version, slot, s.tablesOf(p, slot)})
		}))
		p.reached.Store(0)
		p.instruments = nil
	}
}

// The promises that every projection keeps on both databases, on random histories.
func TestProjectionsKeepTheirPromises(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		live, other, reference := open(t), open(t), openFile(t)
		ctx := t.Context()
		if live.dialect == PostgreSQL {
			fewerChecks(t, 10) // emptying a table takes it milliseconds, and what is decided is decided the same
		}
		rapid.Check(t, func(t *rapid.T) {
			h := randomHistory(t, rapid.IntRange(0, 60).Draw(t, "steps"))
			resetAll(t, live)

			// Batches are cut anywhere, given again, and overlap with what was applied before.
			for from := 0; from < len(h.log); {
				to := rapid.IntRange(from+1, len(h.log)).Draw(t, "to")
				back := rapid.IntRange(0, from).Draw(t, "back")
				for _, p := range All(live) {
					require.NoError(t, p.Apply(ctx, h.log[back:to]))
				}
				from = to
			}
			for _, p := range All(live) {
				require.NoError(t, p.Apply(ctx, h.log), "everything once more")
				at, err := p.Checkpoint(ctx)
				require.NoError(t, err)
				require.Equal(t, h.head(), at)
			}
			want := contents(t, live, everyRow)

			require.NoError(t, Rebuild(ctx, h, other, 0, nil))
			require.Equal(t, contents(t, other, everyRow), want, "live state and rebuild")

			// What was so as of p is what the first p events alone give.
			p := rapid.IntRange(0, len(h.log)).Draw(t, "p")
			first := &history{log: h.log[:p]}
			require.NoError(t, Rebuild(ctx, first, reference, 0, nil))
			sameRead(t, readAll(t, reference, first.head()), readAll(t, live, first.head()))
		})
	})
}

func sameRead(t tb, want, got map[string]any) {
	t.Helper()
	for what := range want {
		require.Equal(t, want[what], got[what], what)
	}
}

// fewerChecks bounds for one test how many cases rapid tries; a number given on the command line stays.
func fewerChecks(t *testing.T, n int) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if before != checks.DefValue {
		return
	}
	require.NoError(t, checks.Value.Set(fmt.Sprint(n)))
	t.Cleanup(func() { require.NoError(t, checks.Value.Set(before)) })
}

// readAll reads through every query what there is to read at a position.
func readAll(t tb, s *Store, at events.Position) map[string]any {
	v, err := s.View(context.Background(), AsOf{})
	require.NoError(t, err)
	v.at = at
	return readView(t, v)
}

func readView(t tb, v View) map[string]any {
	ctx := context.Background()
	out := map[string]any{}
	note := func(what string, value any, err error) {
		if domain.CodeOf(err) != domain.NotFound {
			require.NoError(t, err, what)
		}
		out[what] = value
	}
	recorded, err := v.RecordedAt(ctx)
	note("recorded", recorded, err)
	study, err := v.Study(ctx, "S")
	note("study", study, err)
	studies, err := v.Studies(ctx, Page{First: 10})
	note("studies", studies, err)
	couples, err := v.Couples(ctx, "S", CoupleFilter{}, Page{First: 10})
	note("couples", couples, err)
	compliance, err := v.Compliance(ctx, "S")
	note("compliance", compliance, err)
	var ids []CoupleID
	var persons []PersonID
	for _, c := range couples.Items {
		ids = append(ids, c.CoupleID)
		for _, p := range c.Participants {
			persons = append(persons, p.PersonID)
		}
	}
	byCouple, err := v.ComplianceOf(ctx, "S", []string{"1", "2", "10"})
	note("compliance by couple", byCouple, err)
	trajectories, err := v.Trajectories(ctx, "S", TrajectoryFilter{}, Page{First: 100})
	note("trajectories", trajectories, err)
	questionnaires, err := v.QuestionnairesOf(ctx, persons)
	note("questionnaires", questionnaires, err)
	ratings, err := v.RatingsOf(ctx, ids)
	note("ratings", ratings, err)
	interactions, err := v.InteractionsOf(ctx, ids)
	note("interactions", interactions, err)
	diaries, err := v.DiariesOf(ctx, persons)
	note("diaries", diaries, err)
	scores, err := v.DiaryScoresOf(ctx, persons)
	note("diary scores", scores, err)
	for what, read := range map[string]func(context.Context, string) (Dataset, error){"waves": v.WaveFrame, "days": v.DiaryFrame} {
		d, err := read(ctx, "S")
		note(what, []any{d.Provenance, d.Variables}, err) // the provenance holds the hash of the frame
	}
	return out
}

var errCrash = errors.New("crash")

func TestCrashInMidBatchLeavesRowsAndCheckpoint(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		for _, c := range []string{"1", "2"} {
			h.do(t, enrol(c)...)
			h.do(t, submit(c, "A", 1, day0(2), answers(2, 4, 6)), record(c, "A", 1, 5), sendDiary(c, "A", 1, day0(1).At(20, time.UTC)))
			h.do(t, talk(c, "k1")...)
			h.do(t, rate(c, "k1", "J1", "caring", "A", 3))
		}
		next := testProtocol()
		next.Version, next.Arms, next.Randomise = 2, []domain.Arm{{Code: "x"}, {Code: "y"}}, &domain.Randomisation{Unit: domain.RandomiseCouples}
		h.do(t, domain.PublishProtocol{Study: "S", Protocol: next}, domain.AssignArm{Study: "S", Couple: "2", Arm: "y"})
		half := len(h.log) / 2
		s := open(t)
		for _, p := range All(s) {
			require.NoError(t, p.Apply(t.Context(), h.log[:half]))
			before := content(t, p, everyRow)
			crashing := &Projection{definition: p.definition, store: s, turn: make(turns, 1)}
			crashing.every = func(ctx context.Context, tx *Tx, batch []events.Envelope) error {
				if p.every != nil {
					require.NoError(t, p.every(ctx, tx, batch))
				}
				require.NoError(t, tx.flush(ctx))
				return errCrash
			}
			require.ErrorIs(t, crashing.Apply(t.Context(), h.log[half:]), errCrash)
			assert.Equal(t, before, content(t, p, everyRow), p.Name())
			at, err := p.Checkpoint(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, half, at, p.Name())
			require.NoError(t, p.Apply(t.Context(), h.log[half:]))
			assert.NotEqual(t, before, content(t, p, everyRow), "%s: the second half changes nothing, so the test shows nothing", p.Name())
		}
	})
}

func TestHandlerErrorNamesTheEventAndShowsNoAnswer(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("1")...)
	h.do(t, submit("1", "A", 1, day0(2), answers(2, 4, 6)))
	h.log = slices.Delete(h.log, 1, 2) // the instrument was never registered
	s := openFile(t)
	err := CatchUp(t.Context(), h, All(s), nil)
	var stopped *ApplyError
	require.ErrorAs(t, err, &stopped)
	assert.Equal(t, "trajectory", stopped.Projection)
	assert.Equal(t, h.head(), stopped.Position)
	assert.ErrorContains(t, err, "instrument avo@1 of study S")
	assert.NotContains(t, err.Error(), `"value"`)
}

func TestUnreadableEventStopsRightBeforeIt(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("1")...)
	h.do(t, record("1", "A", 1, 5), record("1", "A", 2, 6))
	bad := h.head()
	h.do(t, record("1", "A", 3, 7))

	for _, c := range []struct {
		name   string
		damage func(*events.Envelope)
		is     error
		stops  func(p *Projection) bool
	}{
		{"unknown type", func(e *events.Envelope) { e.Type = "score.divined" }, events.ErrUnknownType, func(*Projection) bool { return true }},
		{"newer schema", func(e *events.Envelope) { e.Schema = 99 }, events.ErrUnknownType, func(p *Projection) bool { return p.handles("score.recorded") }},
		{"cut payload", func(e *events.Envelope) { e.Payload = e.Payload[:9] }, nil, func(p *Projection) bool { return p.handles("score.recorded") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := slices.Clone(h.log)
			c.damage(&log[bad-1])
			s := openFile(t)
			stopped := 0
			for _, p := range All(s) {
				err := p.Apply(t.Context(), log)
				at, cerr := p.Checkpoint(t.Context())
				require.NoError(t, cerr)
				if !c.stops(p) {
					require.NoError(t, err)
					assert.Equal(t, h.head(), at)
					continue
				}
				stopped++
				var stop *ApplyError
				require.ErrorAs(t, err, &stop)
				assert.Equal(t, bad, stop.Position)
				if c.is != nil {
					assert.ErrorIs(t, err, c.is)
				}
				assert.Equal(t, bad-1, at, "what could be read is applied")
				require.Error(t, p.Apply(t.Context(), log[bad-1:]), "it is not skipped the next time")
				require.NoError(t, p.Apply(t.Context(), h.log[bad-1:]), "and goes on once it can be read")
			}
			assert.Positive(t, stopped)
		})
	}
}

func TestBatchMustBeInOrder(t *testing.T) {
	h := testStudy(t)
	s := openFile(t)
	for _, batch := range [][]events.Envelope{{h.log[1], h.log[0]}, {h.log[0], h.log[0]}} {
		require.ErrorContains(t, All(s)[0].Apply(t.Context(), batch), "order of the log")
	}
	require.NoError(t, All(s)[0].Apply(t.Context(), nil))
}

// Two processes that apply the same events at once apply each of them once.
func TestTwoProcessesApplyOnce(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		for i := range 20 {
			c := fmt.Sprint(i)
			h.do(t, enrol(c)...)
			h.do(t, submit(c, "A", 1, day0(2), answers(2, 4, 6)), record(c, "B", 1, 5))
		}
		stores := []*Store{open(), open(), open()}
		var wg sync.WaitGroup
		errs := make([]error, len(stores))
		for i, s := range stores {
			wg.Go(func() {
				for from := 0; from < len(h.log) && errs[i] == nil; from += 7 + i {
					for _, p := range All(s) {
						errs[i] = errors.Join(errs[i], p.Apply(t.Context(), h.log[from:min(len(h.log), from+7+i)]))
					}
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		alone := openFile(t)
		require.NoError(t, CatchUp(t.Context(), h, All(alone), nil))
		for _, s := range stores {
			at, err := s.Position(t.Context())
			require.NoError(t, err)
			assert.Equal(t, h.head(), at)
			sameRead(t, readAll(t, alone, h.head()), readAll(t, s, h.head()))
		}
	})
}

func TestWaitForReturnsWhenTheReadModelsAreThere(t *testing.T) {
	onEachHandle(t, func(t *testing.T, open func() *Store) {
		h := testStudy(t)
		applying, waiting := open(), open()
		for _, s := range []*Store{applying, waiting} { // its own process, and another
			h.do(t, enrol(fmt.Sprint(h.head()))...)
			done := make(chan error, 1)
			go func() { done <- s.WaitFor(t.Context(), h.head()) }()
			select {
			case err := <-done:
				t.Fatal("did not wait: ", err)
			case <-time.After(20 * time.Millisecond):
			}
			require.NoError(t, CatchUp(t.Context(), h, All(applying), nil))
			require.NoError(t, <-done)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, waiting.WaitFor(ctx, h.head()+1), context.Canceled)
	})
}

func TestCatchUpTellsHowFarItIs(t *testing.T) {
	h := testStudy(t)
	for i := range 400 {
		h.do(t, enrol(fmt.Sprint(i))...)
	}
	require.Greater(t, len(h.log), 1000, "one batch shows no progress")
	s := openFile(t)
	var told []events.Position
	require.NoError(t, CatchUp(t.Context(), h, All(s), func(done, head events.Position) {
		assert.Equal(t, h.head(), head)
		told = append(told, done)
	}))
	assert.Equal(t, []events.Position{1000, 2000, 3000, h.head()}, told)
	states, err := s.States(t.Context())
	require.NoError(t, err)
	for i, c := range states {
		assert.Equal(t, All(s)[i].Name(), c.Projection)
		assert.Equal(t, h.head(), c.Position)
		assert.Equal(t, h.clock, c.RecordedAt)
	}
}

type brokenLog struct{ *history }

func (brokenLog) Read(context.Context, events.Position, int) ([]events.Envelope, error) {
	return nil, errCrash
}

func TestCatchUpReportsALogThatCannotBeRead(t *testing.T) {
	require.ErrorIs(t, CatchUp(t.Context(), brokenLog{testStudy(t)}, All(openFile(t)), nil), errCrash)
}

func TestEveryEventIsShownOrListed(t *testing.T) {
	s := openFile(t)
	for _, e := range domain.EventTypes() {
		handled := slices.ContainsFunc(All(s), func(p *Projection) bool { return p.handles(e.Name) })
		listed := slices.Contains(auditOnly, e.Name)
		assert.True(t, handled != listed, "%s must be handled by a read model or stand in auditOnly, and not both", e.Name)
	}
	for _, name := range auditOnly {
		assert.True(t, known(name), "%s is no event", name)
	}
}

func TestViewStandsWhereItIsAsked(t *testing.T) {
	h := testStudy(t)
	s := openFile(t)
	empty, err := s.View(t.Context(), AsOf{})
	require.NoError(t, err)
	assert.Zero(t, empty.Position())

	start := h.clock
	h.log[2].RecordedAt = start.Add(-time.Hour) // the clock was set back
	h.do(t, enrol("1")...)
	seen(t, s, h)
	for _, c := range []struct {
		name string
		asOf AsOf
		want events.Position
		code domain.Code
	}{
		{"now", AsOf{}, h.head(), ""},
		{"a position", AsOf{Position: 2}, 2, ""},
		{"the last position", AsOf{Position: h.head()}, h.head(), ""},
		{"beyond", AsOf{Position: h.head() + 1}, 0, domain.Invalid},
		{"below", AsOf{Position: -1}, 0, domain.Invalid},
		{"both", AsOf{Position: 1, RecordedAt: start}, 0, domain.Invalid},
		{"before everything", AsOf{RecordedAt: start.Add(-time.Hour)}, 0, ""},
		{"at a time", AsOf{RecordedAt: h.log[0].RecordedAt}, 1, ""},
		{"while the clock was back", AsOf{RecordedAt: h.log[1].RecordedAt}, 3, ""},
		{"between", AsOf{RecordedAt: h.log[4].RecordedAt.Add(time.Microsecond)}, 7, ""},
		{"in another zone", AsOf{RecordedAt: h.log[4].RecordedAt.In(time.FixedZone("", 7200))}, 7, ""},
		{"in the future", AsOf{RecordedAt: h.clock.AddDate(1, 0, 0)}, h.head(), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := s.View(t.Context(), c.asOf)
			if c.code != "" {
				assert.Equal(t, c.code, domain.CodeOf(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, v.Position())
		})
	}
	v, err := s.View(t.Context(), AsOf{Position: 3})
	require.NoError(t, err)
	at, err := v.RecordedAt(t.Context())
	require.NoError(t, err)
	assert.Equal(t, h.log[1].RecordedAt, at, "the latest time seen by then")
}
