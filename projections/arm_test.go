package projections

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// randomised is a history in which places are taken and arms drawn.
func randomised(t *testing.T, unit string, couples ...string) *history {
	h := testStudy(t)
	p := testProtocol()
	p.Version, p.Arms, p.Randomise = 2, []domain.Arm{{Code: "x"}, {Code: "y"}}, &domain.Randomisation{Unit: unit}
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: p}, domain.SeedRandomisation{Study: "S", Seed: bytes.Repeat([]byte{7}, 32)})
	for _, c := range couples {
		h.do(t, enrol(c)...)
		roles := []domain.Role{""}
		if unit == domain.RandomisePersons {
			roles = []domain.Role{"A", "B"}
		}
		for _, r := range roles {
			h.do(t, domain.TakePlace{Study: "S", Couple: c, Role: r}, domain.Randomise{Study: "S", Couple: c, Role: r})
		}
		h.do(t, submit(c, "A", 1, day0(2), answers(2, 4, 6)), submit(c, "B", 1, day0(2), answers(2, 4, 6)), sendDiary(c, "A", 1, day0(1).At(20, time.UTC)))
	}
	return h
}

// Who was randomised stands in the order of the places, as the plan says, in every frame, and goes with the person.
func TestArms(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		for _, unit := range []string{domain.RandomiseCouples, domain.RandomisePersons} {
			h := randomised(t, unit, "1", "2", "3", "4", "5")
			s := open(t)
			before := h.head()
			v := seen(t, s, h)
			list, err := v.Assignments(t.Context(), "S")
			require.NoError(t, err)
			require.Len(t, list, map[string]int{domain.RandomiseCouples: 5, domain.RandomisePersons: 10}[unit])
			arm := map[PersonID]string{}
			for i, a := range list {
				assert.Equal(t, i+1, a.Number)
				planned, err := h.study.Draw(a.Stratum, a.Number)
				require.NoError(t, err)
				assert.Equal(t, planned, a.Arm, "the audit holds")
				for _, r := range []domain.Role{"A", "B"} {
					if a.Role == "" || a.Role == r {
						arm[PersonID{"S", a.Couple, r}] = a.Arm
					}
				}
			}
			waves, err := v.WaveFrame(t.Context(), "S")
			require.NoError(t, err)
			couple, _ := waves.Frame.Column("couple")
			role, _ := waves.Frame.Column("role")
			column, ok := waves.Frame.Column("arm")
			require.True(t, ok)
			require.Equal(t, 10, waves.Frame.Rows())
			for i := range waves.Frame.Rows() {
				r := map[string]domain.Role{"wife": "A", "husband": "B"}[role.Label(i)]
				assert.Equal(t, arm[PersonID{"S", couple.Label(i), r}], column.Label(i))
			}
			days, err := v.DiaryFrame(t.Context(), "S")
			require.NoError(t, err)
			_, ok = days.Frame.Column("arm")
			assert.True(t, ok)

			h.do(t, domain.EraseParticipant{Study: "S", Couple: "2", Role: "A"}, domain.EraseParticipant{Study: "S", Couple: "2", Role: "B"})
			seen(t, s, h)
			old, err := s.View(t.Context(), AsOf{Position: before})
			require.NoError(t, err)
			list, err = old.Assignments(t.Context(), "S")
			require.NoError(t, err)
			for _, a := range list {
				assert.NotEqual(t, "2", a.Couple, "nothing of the erased couple, at no position")
			}
			require.NoError(t, s.Close())
		}
	})
}

// A sample has the columns that the data will have, with numbers only where something is asked.
func TestSampleFrame(t *testing.T) {
	h := randomised(t, domain.RandomiseCouples, "1", "2")
	h.do(t, talk("1", "k1")...)
	for _, d := range []string{"caring", "understanding"} {
		h.do(t, rate("1", "k1", "J1", d, "A", 3))
	}
	h.do(t, record("1", "A", 1, 5))
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		v := seen(t, open(t), h)
		for which, read := range map[string]func() (Dataset, error){
			"waves": func() (Dataset, error) { return v.WaveFrame(t.Context(), "S") },
			"diary": func() (Dataset, error) { return v.DiaryFrame(t.Context(), "S") },
		} {
			real, err := read()
			require.NoError(t, err)
			sample, err := SampleFrame(*h.study, which)
			require.NoError(t, err)
			assert.Equal(t, real.Frame.Names(), sample.Names(), which)
			again, err := SampleFrame(*h.study, which)
			require.NoError(t, err)
			assert.Equal(t, sample.Hash(), again.Hash())
		}
	})
	_, err := SampleFrame(*h.study, "weeks")
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
	study := *h.study
	study.Protocol.Diaries = nil
	_, err = SampleFrame(study, "diary")
	assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%v", err)
}
