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

// What a couple lists depends on its events alone: reminders of one moment and recordings stand in the order of their codes.
func TestListsHaveOneOrder(t *testing.T) {
	at := time.Date(2026, time.March, 5, 20, 0, 0, 0, time.UTC)
	c := &Couple{}
	for _, code := range []string{"e", "b", "d", "a", "c"} {
		c.Apply(PromptScheduled{Role: RoleA, Prompt: code, Occasion: Occasion{Wave: 1}, Channel: "email", At: at})
		c.Apply(VideoStored{Interaction: "i" + code, Video: code})
	}
	c.Apply(PromptScheduled{Role: RoleA, Prompt: "f", Occasion: Occasion{Wave: 1}, Channel: "email", At: at.Add(-time.Hour)})
	var prompts, videos string
	for _, p := range c.Prompts(RoleA) {
		prompts += p.Code
	}
	for _, v := range c.Videos() {
		videos += v.Video
	}
	assert.Equal(t, "fabcde", prompts)
	assert.Equal(t, "abcde", videos)
}
