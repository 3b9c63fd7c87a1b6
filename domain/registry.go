package domain

import "reflect"

// Event is a fact of the study, told in the past tense. Only this package declares events.
type Event interface{ isEvent() }

// EventType ties a Go type to the name and schema version under which its events are stored. Names are
// written here and never change; the Go type may be renamed at will.
type EventType struct {
	Name   string // on the wire: "diary.submitted"
	Schema int    // of the payload, from 1; raise it when the payload changes and add an upcaster

	goType reflect.Type
	decode func(fill func(to any) error) (Event, error)
}

// Decode makes an event of the type. fill is given a pointer to the Go type and fills it from a payload of the current schema.
func (t EventType) Decode(fill func(to any) error) (Event, error) { return t.decode(fill) }

// Example returns the zero event of the type.
func (t EventType) Example() Event { return reflect.Zero(t.goType).Interface().(Event) }

// EventTypes lists every event type, in the order in which a study meets them.
func EventTypes() []EventType { return eventTypes }

var eventTypes = []EventType{
	eventType[StudyCreated]("study.created", 1),
	eventType[InstrumentRegistered]("instrument.registered", 1),
	eventType[ProtocolPublished]("protocol.published", 3),
	eventType[ModelRegistered]("model.registered", 2),
	eventType[ModelRetired]("model.retired", 1),
	eventType[RandomisationSeeded]("randomisation.seeded", 1),
	eventType[PlaceTaken]("place.taken", 1),
	eventType[CoupleEnrolled]("couple.enrolled", 2),
	eventType[ParticipantJoined]("participant.joined", 1),
	eventType[ParticipantMoved]("participant.moved", 2),
	eventType[ConsentGiven]("consent.given", 2),
	eventType[ConsentWithdrawn]("consent.withdrawn", 1),
	eventType[ContactChanged]("contact.changed", 1),
	eventType[LanguageChosen]("language.chosen", 1),
	eventType[PairingConfirmed]("pairing.confirmed", 1),
	eventType[ArmAssigned]("arm.assigned", 1),
	eventType[SessionHeld]("session.held", 1),
	eventType[PromptScheduled]("prompt.scheduled", 1),
	eventType[PromptSent]("prompt.sent", 1),
	eventType[PromptAccepted]("prompt.accepted", 1),
	eventType[PromptFailed]("prompt.failed", 1),
	eventType[PromptOpened]("prompt.opened", 1),
	eventType[FormStarted]("form.started", 1),
	eventType[QuestionnaireSubmitted]("questionnaire.submitted", 1),
	eventType[AnswerCorrected]("answer.corrected", 1),
	eventType[ScoreRecorded]("score.recorded", 1),
	eventType[ScoreCorrected]("score.corrected", 1),
	eventType[WaveMissed]("wave.missed", 1),
	eventType[DiarySubmitted]("diary.submitted", 2),
	eventType[DiaryMissed]("diary.missed", 1),
	eventType[NoteWritten]("note.written", 1),
	eventType[RiskRaised]("risk.raised", 1),
	eventType[NoteRead]("note.read", 1),
	eventType[RiskHandled]("risk.handled", 1),
	eventType[ChangeNoted]("change.noted", 1),
	eventType[InteractionRecorded]("interaction.recorded", 1),
	eventType[ClipCut]("clip.cut", 1),
	eventType[VideoStored]("video.stored", 1),
	eventType[VideoKeyShared]("video.key_shared", 1),
	eventType[VideoDeleted]("video.deleted", 1),
	eventType[JudgeEnlisted]("judge.enlisted", 1),
	eventType[JudgeAcquainted]("judge.acquainted", 1),
	eventType[JudgeOnLeave]("judge.on_leave", 1),
	eventType[CriterionSet]("criterion.set", 1),
	eventType[JudgeAssessed]("judge.assessed", 1),
	eventType[JudgeSuspended]("judge.suspended", 1),
	eventType[JudgeRetired]("judge.retired", 1),
	eventType[CodingSeeded]("coding.seeded", 1),
	eventType[AssignmentMade]("assignment.made", 1),
	eventType[AssignmentClaimed]("assignment.claimed", 1),
	eventType[AssignmentReturned]("assignment.returned", 1),
	eventType[AssignmentRetracted]("assignment.retracted", 1),
	eventType[RatingRecorded]("rating.recorded", 2),
	eventType[TraceRecorded]("trace.recorded", 1),
	eventType[RatingsSubmitted]("ratings.submitted", 1),
	eventType[RatingCorrected]("rating.corrected", 1),
	eventType[RatingAdjudicated]("rating.adjudicated", 1),
	eventType[SeparationReported]("separation.reported", 1),
	eventType[CoupleSeparated]("couple.separated", 1),
	eventType[ParticipantWithdrew]("participant.withdrew", 1),
	eventType[ParticipantErased]("participant.erased", 1),
}

var (
	typeByName   = map[string]EventType{}
	typeByGoType = map[reflect.Type]EventType{}
)

func init() {
	for _, t := range eventTypes {
		typeByName[t.Name], typeByGoType[t.goType] = t, t
	}
}

// EventTypeNamed returns the type with a wire name.
func EventTypeNamed(name string) (EventType, bool) {
	t, ok := typeByName[name]
	return t, ok
}

// EventTypeOf returns the type of an event.
func EventTypeOf(e Event) (EventType, bool) {
	t, ok := typeByGoType[reflect.TypeOf(e)]
	return t, ok
}

func eventType[T Event](name string, schema int) EventType {
	return EventType{Name: name, Schema: schema, goType: reflect.TypeFor[T](), decode: func(fill func(to any) error) (Event, error) {
		e := new(T)
		if err := fill(e); err != nil {
			return nil, err
		}
		return *e, nil
	}}
}
