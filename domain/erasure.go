package domain

import "slices"

// ParticipantErased: everything that was kept of a participant is gone for good, on the person's demand. What the partner gave
// stays. The event itself says nothing of the person.
type ParticipantErased struct {
	Role Role `json:"role"`
	Last bool `json:"last,omitempty"` // nobody of the couple is left: what was the couple's is gone as well
}

func (ParticipantErased) isEvent() {}

// EraseParticipant asks that everything kept of a participant be erased. It cannot be undone.
type EraseParticipant struct {
	Study, Couple string
	Role          Role
}

func (c EraseParticipant) Target() Target { return Target{c.Study, c.Couple} }

func (c EraseParticipant) decide(p Past) ([]Event, error) {
	// A couple of which everybody was erased exists no more but for its tombstones.
	if p.Couple != nil && slices.Contains(p.Couple.Erased, c.Role) {
		return nil, nil
	}
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	return []Event{ParticipantErased{c.Role, len(p.Couple.Participants) == 1}}, nil
}

// RepeatErasure says again in a log what was said in its continuation: that a participant was erased. It is for a log restored to a moment before
// the erasure. The key is gone already, and with it what said that the participant had joined.
type RepeatErasure struct {
	Study, Couple string
	Role          Role
	Last          bool
}

func (c RepeatErasure) Target() Target { return Target{c.Study, c.Couple} }

func (c RepeatErasure) decide(p Past) ([]Event, error) { //nolint:unparam // as all commands
	if slices.Contains(p.Couple.Erased, c.Role) {
		return nil, nil
	}
	return []Event{ParticipantErased{c.Role, c.Last}}, nil
}

// needNobodyErased refuses what is about both partners once one of them was erased.
func (p Past) needNobodyErased() error {
	if len(p.Couple.Erased) > 0 {
		return refuse(Conflict, "couple", "the data of a partner were erased; nothing that shows both is taken any more")
	}
	return nil
}

// Concerns tells whose an event of a couple's stream is: the person in a role, or, with an empty role, the couple as a whole.
// It reports false for the events that must be readable when nothing else of the person is.
func Concerns(e Event) (Role, bool) {
	switch e := e.(type) {
	case ParticipantErased:
		return "", false
	case ParticipantJoined:
		return e.Role, true
	case ParticipantMoved:
		return e.Role, true
	case ParticipantWithdrew:
		return e.Role, true
	case ConsentGiven:
		return e.Role, true
	case ConsentWithdrawn:
		return e.Role, true
	case QuestionnaireSubmitted:
		return e.Role, true
	case AnswerCorrected:
		return e.Role, true
	case ScoreRecorded:
		return e.Role, true
	case ScoreCorrected:
		return e.Role, true
	case WaveMissed:
		return e.Role, true
	case DiarySubmitted:
		return e.Role, true
	case DiaryMissed:
		return e.Role, true
	case ContactChanged:
		return e.Role, true
	case LanguageChosen:
		return e.Role, true
	case PairingConfirmed:
		return e.Role, true
	case SeparationReported:
		return e.Role, true
	case ArmAssigned:
		return e.Role, true // empty where the couple was randomised
	case PromptScheduled:
		return e.Role, true
	case PromptSent:
		return e.Role, true
	case PromptAccepted:
		return e.Role, true
	case PromptFailed:
		return e.Role, true
	case PromptOpened:
		return e.Role, true
	case FormStarted:
		return e.Role, true
	case NoteWritten:
		return e.Role, true
	case RiskRaised:
		return e.Role, true
	case NoteRead:
		return e.Role, true
	case RiskHandled:
		return e.Role, true
	case VideoKeyShared:
		return e.Role, true
	case TraceRecorded:
		return e.Target, true
	case RatingCorrected:
		return e.Target, true
	case RatingAdjudicated:
		return e.Target, true
	case RatingRecorded:
		return e.Target, true // empty where the dyad was rated
	}
	return "", true
}
