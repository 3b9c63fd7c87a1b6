package projections

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

// grown is a log of which only the beginning is there yet.
type grown struct {
	*history
	to int
}

func (g *grown) Read(_ context.Context, after events.Position, limit int) (out []events.Envelope, _ error) {
	for _, at := range g.log[:g.to] {
		if at.Position > after && len(out) < limit {
			out = append(out, at)
		}
	}
	return out, nil
}

func (g *grown) ReadStream(_ context.Context, s events.Stream, after events.Version, _ int) (out []events.Envelope, _ error) {
	for _, at := range g.log[:g.to] {
		if at.Stream == s && at.Version > after {
			out = append(out, at)
		}
	}
	return out, nil
}

// However often it is asked, a board shows what one made from the beginning shows.
func TestABoardFollowsTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &grown{history: randomHistory(t, 60)}
		b := NewBoard(g)
		for g.to < len(g.log) {
			g.to = rapid.IntRange(g.to+1, len(g.log)).Draw(t, "to")
			got, _, err := b.Couples(context.Background(), "S")
			want, _, wantErr := NewBoard(g).Couples(context.Background(), "S")
			require.Equal(t, wantErr, err)
			require.Equal(t, want, got)
		}
	})
}

func TestABoardShowsWhoIsDueAndHoldsNoAnswers(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("7")...)
	h.do(t, submit("7", domain.RoleA, 1, day0(1), answers(7, 7, 7)))
	b := NewBoard(&grown{h, len(h.log)})
	c, _, err := b.Couple(t.Context(), "S", "7")
	require.NoError(t, err)
	wife, _ := c.Person(domain.RoleA)
	husband, _ := c.Person(domain.RoleB)
	at := day0(1).At(20, time.UTC)
	assert.True(t, wife.Offers[0].Done)
	assert.True(t, husband.Offers[0].Open(at))
	assert.False(t, wife.Offers[0].Open(at))
	_, _, err = b.Couple(t.Context(), "S", "8")
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	_, _, err = b.Couples(t.Context(), "T")
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}

func TestFlags(t *testing.T) {
	four := domain.Instrument{Code: "q", Version: "1", Title: "q", Scales: []domain.Scale{{Code: "c", Method: domain.Mean}}}
	for _, id := range []string{"i1", "i2", "i3", "i4"} {
		four.Items = append(four.Items, domain.Item{ID: id, Min: 1, Max: 7})
		four.Scales[0].Items = append(four.Scales[0].Items, domain.KeyedItem{ID: id, Reverse: id == "i4"})
	}
	s := &domain.Study{Instruments: map[domain.InstrumentRef]domain.Instrument{four.Ref(): four}}
	given := func(values ...int) (list []domain.Answer) {
		for i, v := range values {
			list = append(list, domain.Answer{Item: four.Items[i].ID, Value: &v})
		}
		return list
	}
	began := time.Date(2026, 1, 5, 20, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		answers []domain.Answer
		took    time.Duration
		want    []FlagKind
	}{
		{"in its time", given(1, 2, 1, 7), time.Minute, nil},
		{"seven seconds for four items", given(1, 2, 1, 7), 7 * time.Second, []FlagKind{FlagFast}},
		{"eight seconds for four items", given(1, 2, 1, 7), 8 * time.Second, nil},
		{"the clock was set back", given(1, 2, 1, 7), -time.Hour, nil},
		{"the same in both directions", given(6, 6, 6, 6), time.Minute, []FlagKind{FlagStraight}},
		{"always the middle", given(4, 4, 4, 4), time.Minute, nil},
		{"too few to tell", given(6, 6, 6), time.Second, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, flags := flagsOf(s, domain.QuestionnaireSubmitted{Role: "A", Wave: 1, Instrument: "q", Version: "1", Answers: c.answers, StartedAt: began, FilledAt: began.Add(c.took)})
			var kinds []FlagKind
			for _, f := range flags {
				kinds = append(kinds, f.Kind)
			}
			assert.Equal(t, c.want, kinds)
		})
	}
}
