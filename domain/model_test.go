package domain_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestModelsOfAStudy(t *testing.T) {
	model := domain.ChangeModel{Name: "change", Frame: "waves", Kind: "growth", Outcome: "avoidance", Time: "time"}
	register := func(change func(*domain.ChangeModel)) domain.RegisterModel {
		m := model
		if change != nil {
			change(&m)
		}
		return domain.RegisterModel{Study: "S", Model: m}
	}
	past := fold(t)
	got, err := domain.Decide(past, register(nil))
	require.NoError(t, err)
	require.Equal(t, []domain.Event{domain.ModelRegistered{Model: model}}, got)
	past.Study.Apply(got[0])
	got, err = domain.Decide(past, register(nil))
	require.NoError(t, err)
	assert.Empty(t, got, "the same again changes nothing")
	got, err = domain.Decide(past, register(func(m *domain.ChangeModel) { m.Outcome = "anxiety" }))
	require.NoError(t, err)
	assert.Len(t, got, 1, "another under the same name replaces it")

	for path, change := range map[string]func(*domain.ChangeModel){
		"name":         func(m *domain.ChangeModel) { m.Name = "" },
		"frame":        func(m *domain.ChangeModel) { m.Frame = "weeks" },
		"kind":         func(m *domain.ChangeModel) { m.Kind = "" },
		"fixed":        func(m *domain.ChangeModel) { m.Fixed = strings.Repeat("x", 5000) },
		"predictors":   func(m *domain.ChangeModel) { m.Predictors = make([]string, 101) },
		"occasions[1]": func(m *domain.ChangeModel) { m.Occasions = []float64{0, math.NaN()} },
		"level":        func(m *domain.ChangeModel) { m.Level = 1 },
	} {
		_, err := domain.Decide(past, register(change))
		require.Equal(t, domain.Invalid, domain.CodeOf(err), path)
		assert.ErrorContains(t, err, path)
	}
	_, err = domain.Decide(domain.Past{Study: &domain.Study{}}, register(nil))
	assert.Error(t, err, "a model needs a study with a protocol")

	for i := range 49 {
		past.Study.Apply(domain.ModelRegistered{Model: domain.ChangeModel{Name: fmt.Sprint("m", i)}})
	}
	_, err = domain.Decide(past, register(func(m *domain.ChangeModel) { m.Name = "one-more" }))
	assert.ErrorContains(t, err, "retire one first")
	got, err = domain.Decide(past, domain.RetireModel{Study: "S", Name: "change"})
	require.NoError(t, err)
	require.Equal(t, []domain.Event{domain.ModelRetired{Name: "change"}}, got)
	past.Study.Apply(got[0])
	_, err = domain.Decide(past, domain.RetireModel{Study: "S", Name: "change"})
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}
