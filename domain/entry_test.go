package domain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEntriesAreOnesOwn(t *testing.T) {
	day := NewDate(2026, time.March, 5)
	at := time.Date(2026, time.March, 5, 20, 0, 0, 0, time.UTC)
	three := 3
	answers := []Answer{{Item: "one", Value: &three}}
	c := &Couple{}
	for _, e := range []Event{
		CoupleEnrolled{Study: "S", Code: "C1", EnrolledOn: day},
		ParticipantJoined{RoleA, "C1a", "UTC"}, ParticipantJoined{RoleB, "C1b", "UTC"},
		DiarySubmitted{Role: RoleA, Burst: "d", Day: day, Entries: []DiaryEntry{{Instrument: "i", Version: "1", Answers: answers}}, FilledAt: at.Add(time.Hour), Timing: TimingLate},
		QuestionnaireSubmitted{Role: RoleA, Wave: 1, Instrument: "i", Version: "1", Answers: answers, FilledAt: at, Timing: TimingOnTime},
		DiaryMissed{RoleA, "d", day.AddDays(1)}, WaveMissed{RoleA, 2},
		DiaryMissed{RoleB, "d", day},
		NoteWritten{Role: RoleA, Occasion: Occasion{Wave: 1}, Prompt: "n", Text: "words", WrittenAt: at},
	} {
		c.Apply(e)
	}
	assert.Equal(t, []Entry{
		{Occasion: Occasion{Wave: 1}, Instrument: "i", Version: "1", Answers: answers, FilledAt: at, Timing: TimingOnTime},
		{Occasion: Occasion{Burst: "d", Day: day}, Instrument: "i", Version: "1", Answers: answers, FilledAt: at.Add(time.Hour), Timing: TimingLate},
		{Occasion: Occasion{Burst: "d", Day: day.AddDays(1)}, Missed: true},
		{Occasion: Occasion{Wave: 2}, Missed: true},
	}, c.Entries(RoleA))
	assert.Equal(t, []Entry{{Occasion: Occasion{Burst: "d", Day: day}, Missed: true}}, c.Entries(RoleB))
	assert.Len(t, c.Notes(RoleA), 1)
	assert.Empty(t, c.Notes(RoleB))
}
