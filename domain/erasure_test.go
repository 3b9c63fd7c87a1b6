package domain_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// An event that names a role is sealed under that person's key. One that were forgotten in Concerns would outlive the person's erasure.
func TestWhatNamesARoleConcernsThatPerson(t *testing.T) {
	ofTheCouple := []string{"couple.enrolled", "interaction.recorded", "clip.cut", "couple.separated"}
	for _, kind := range domain.EventTypes() {
		e := reflect.New(reflect.TypeOf(kind.Example())).Elem()
		field := e.FieldByName("Role")
		if !field.IsValid() {
			field = e.FieldByName("Target")
		}
		if !field.IsValid() {
			continue
		}
		field.Set(reflect.ValueOf(domain.Role("B")))
		role, sealed := domain.Concerns(e.Interface().(domain.Event))
		if kind.Name == "participant.erased" {
			assert.False(t, sealed, "the tombstone stays readable")
			continue
		}
		assert.True(t, sealed, kind.Name)
		assert.Equal(t, domain.Role("B"), role, kind.Name)
	}
	for _, name := range ofTheCouple {
		kind, ok := domain.EventTypeNamed(name)
		require.True(t, ok, name)
		role, sealed := domain.Concerns(kind.Example())
		assert.True(t, sealed, name)
		assert.Empty(t, role, name)
	}
}

func TestErasing(t *testing.T) {
	erase := func(r domain.Role) domain.EraseParticipant {
		return domain.EraseParticipant{Study: "S", Couple: "1", Role: r}
	}
	past := fold(t, testCouple()...)
	got, err := domain.Decide(past, erase("A"))
	require.NoError(t, err)
	assert.Equal(t, []domain.Event{domain.ParticipantErased{Role: "A"}}, got)
	past.Couple.Apply(got[0])
	again, err := domain.Decide(past, erase("A"))
	require.NoError(t, err)
	assert.Empty(t, again)

	score := func(r domain.Role) domain.RecordScore {
		return domain.RecordScore{Study: "S", Couple: "1", Role: r, Wave: 1, Construct: "quality", Value: 3, MeasuredAt: at("2025-03-01T12:00:00Z")}
	}
	_, err = domain.Decide(past, score("A"))
	assert.Equal(t, domain.NotFound, domain.CodeOf(err), "nothing more is taken of who was erased")
	got, err = domain.Decide(past, score("B"))
	require.NoError(t, err)
	assert.Len(t, got, 1, "the partner goes on")
	_, err = domain.Decide(past, domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "i", Task: "talk", DurationMs: 1000, HeldAt: at("2025-03-01T15:00:00Z")})
	assert.Equal(t, domain.Conflict, domain.CodeOf(err), "a recording shows both")
	_, err = domain.Decide(past, domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: "1-A"}, {Role: "B", Code: "1-B"}}})
	assert.Error(t, err, "nobody comes back under the same code")

	got, err = domain.Decide(past, erase("B"))
	require.NoError(t, err)
	assert.Equal(t, []domain.Event{domain.ParticipantErased{Role: "B", Last: true}}, got, "with the second goes what was the couple's")
	past.Couple.Apply(got[0])
	for _, r := range []domain.Role{"A", "B"} {
		again, err = domain.Decide(past, erase(r))
		require.NoError(t, err)
		assert.Empty(t, again)
	}
	_, err = domain.Decide(past, erase("C"))
	assert.Error(t, err)
	_, err = domain.Decide(domain.Past{Study: past.Study, Couple: &domain.Couple{}}, erase("A"))
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}
