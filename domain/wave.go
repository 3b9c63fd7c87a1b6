package domain

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

type (
	waveKey struct {
		role Role
		wave int
	}
	questionnaireKey struct {
		waveKey
		instrument string // a wave asks one version of an instrument
	}
	questionnaire struct {
		version  string
		answers  []Answer
		filledAt time.Time
		timing   Timing
	}
	scoreKey struct {
		waveKey
		construct string
	}
)

// QuestionnaireSubmitted: a participant answered one instrument of a wave. Answers are raw;
// scores are derived from them by the key of the instrument's version.
type QuestionnaireSubmitted struct {
	Role       Role      `json:"role"`
	Wave       int       `json:"wave"`
	Instrument string    `json:"instrument"`
	Version    string    `json:"version"`
	Answers    []Answer  `json:"answers"`
	ShownOrder []string  `json:"shownOrder,omitempty"` // item ids in the order shown; empty if not recorded
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FilledAt   time.Time `json:"filledAt"` // UTC
	Timing     Timing    `json:"timing"`
}

// AnswerCorrected: one answer was wrong and is replaced. The first answer stays in the log.
type AnswerCorrected struct {
	Role       Role   `json:"role"`
	Wave       int    `json:"wave"`
	Instrument string `json:"instrument"`
	Version    string `json:"version"`
	Answer     Answer `json:"answer"`
	Reason     string `json:"reason"`
}

// ScoreRecorded: a score that was computed outside asem, such as in an imported data set.
type ScoreRecorded struct {
	Role       Role      `json:"role"`
	Wave       int       `json:"wave"`
	Construct  string    `json:"construct"`
	Value      float64   `json:"value"`
	MeasuredAt time.Time `json:"measuredAt"` // UTC
}

// ScoreCorrected: a recorded score was wrong and is replaced.
type ScoreCorrected struct {
	Role      Role    `json:"role"`
	Wave      int     `json:"wave"`
	Construct string  `json:"construct"`
	Value     float64 `json:"value"`
	Reason    string  `json:"reason"`
}

// WaveMissed: the window and grace of a wave passed without an answer of this participant.
type WaveMissed struct {
	Role Role `json:"role"`
	Wave int  `json:"wave"`
}

func (QuestionnaireSubmitted) isEvent() {}
func (AnswerCorrected) isEvent()        {}
func (ScoreRecorded) isEvent()          {}
func (ScoreCorrected) isEvent()         {}
func (WaveMissed) isEvent()             {}

func (c *Couple) applyWave(e Event) {
	switch e := e.(type) {
	case QuestionnaireSubmitted:
		set(&c.questionnaires, questionnaireKey{waveKey{e.Role, e.Wave}, e.Instrument}, questionnaire{e.Version, e.Answers, e.FilledAt, e.Timing})
	case AnswerCorrected:
		k := questionnaireKey{waveKey{e.Role, e.Wave}, e.Instrument}
		q := c.questionnaires[k]
		q.answers = replaceAnswer(q.answers, e.Answer)
		set(&c.questionnaires, k, q)
	case ScoreRecorded:
		set(&c.scores, scoreKey{waveKey{e.Role, e.Wave}, e.Construct}, e.Value)
	case ScoreCorrected:
		set(&c.scores, scoreKey{waveKey{e.Role, e.Wave}, e.Construct}, e.Value)
	case WaveMissed:
		set(&c.missedWaves, waveKey{e.Role, e.Wave}, true)
	}
}

// replaceAnswer returns a copy of the answers in which one item is answered anew.
func replaceAnswer(answers []Answer, by Answer) []Answer {
	out := make([]Answer, 0, len(answers)+1)
	for _, a := range answers {
		if a.Item != by.Item {
			out = append(out, a)
		}
	}
	return append(out, by)
}

// SubmitQuestionnaire sends a participant's answers to one instrument of a wave.
type SubmitQuestionnaire struct {
	Study, Couple string
	Role          Role
	Wave          int
	Instrument    InstrumentRef
	Answers       []Answer
	ShownOrder    []string
	StartedAt     time.Time
	FilledAt      time.Time
	// Collected by another program: the answers are taken whatever the window says, and their
	// timing is unrecorded.
	Elsewhere bool
}

func (c SubmitQuestionnaire) Target() Target { return Target{c.Study, c.Couple} }

func (c SubmitQuestionnaire) decide(p Past) ([]Event, error) {
	who, err := p.mayObserve(c.Role, ScopeQuestionnaires, c.FilledAt)
	if err != nil {
		return nil, err
	}
	wave, err := p.wave(c.Wave)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(wave.Instruments, c.Instrument) {
		return nil, refuse(Invalid, "instrument", "wave %d does not ask %s", c.Wave, c.Instrument)
	}
	if err := p.Study.Instruments[c.Instrument].CheckAnswers(c.Answers); err != nil {
		return nil, err
	}
	occasion := Occasion{Wave: c.Wave}
	if !c.Elsewhere {
		offer, err := p.offer(c.Role, occasion)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(offer.Instruments, c.Instrument) {
			return nil, refuse(Invalid, "instrument", "role %s is not asked %s", c.Role, c.Instrument)
		}
		if err := p.Study.Protocol.checkShown(c.Instrument.Code, c.Answers); err != nil {
			return nil, err
		}
	}
	key := questionnaireKey{waveKey{c.Role, c.Wave}, c.Instrument.Code}
	if old, ok := p.Couple.questionnaires[key]; ok {
		if old.version == c.Instrument.Version && reflect.DeepEqual(old.answers, c.Answers) {
			return nil, nil
		}
		return nil, refuse(Conflict, "instrument", "%s of wave %d was answered before; a wrong answer is corrected, not sent again", c.Instrument.Code, c.Wave)
	}
	timing, err := c.timing(p, who, wave)
	if err != nil {
		return nil, err
	}
	submitted := QuestionnaireSubmitted{c.Role, c.Wave, c.Instrument.Code, c.Instrument.Version, c.Answers, c.ShownOrder, c.StartedAt.UTC(), c.FilledAt.UTC(), timing}
	return append([]Event{submitted}, p.risks(c.Role, occasion, c.Instrument.Code, c.Answers)...), nil
}

func (c SubmitQuestionnaire) timing(p Past, who *Participant, w Wave) (Timing, error) {
	if c.Elsewhere {
		return TimingUnrecorded, nil
	}
	window, ok := p.waveWindow(who, w)
	if !ok {
		return "", refuse(Conflict, "wave", "what wave %d is counted from has not happened yet", w.Index)
	}
	return window.timing("wave", c.FilledAt)
}

// wave finds a wave of the protocol in force.
func (p Past) wave(index int) (Wave, error) {
	w, ok := p.Study.Protocol.Wave(index)
	if !ok {
		return Wave{}, refuse(NotFound, "wave", "there is no wave %d; the protocol has %d", index, len(p.Study.Protocol.Waves))
	}
	return w, nil
}

// CorrectAnswer replaces one answer of a submitted questionnaire.
type CorrectAnswer struct {
	Study, Couple string
	Role          Role
	Wave          int
	Instrument    string
	Answer        Answer
	Reason        string
}

func (c CorrectAnswer) Target() Target { return Target{c.Study, c.Couple} }

func (c CorrectAnswer) decide(p Past) ([]Event, error) {
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	if c.Reason == "" {
		return nil, refuse(Invalid, "reason", "a correction needs a reason")
	}
	old, ok := p.Couple.questionnaires[questionnaireKey{waveKey{c.Role, c.Wave}, c.Instrument}]
	if !ok {
		return nil, refuse(NotFound, "instrument", "%s of wave %d has not been answered", c.Instrument, c.Wave)
	}
	next := replaceAnswer(old.answers, c.Answer)
	if err := p.Study.Instruments[InstrumentRef{c.Instrument, old.version}].CheckAnswers(next); err != nil {
		return nil, err
	}
	if was, ok := find(old.answers, func(a Answer) bool { return a.Item == c.Answer.Item }); ok && reflect.DeepEqual(was, c.Answer) {
		return nil, nil
	}
	return []Event{AnswerCorrected{c.Role, c.Wave, c.Instrument, old.version, c.Answer, c.Reason}}, nil
}

// RecordScore takes over a score that was computed outside asem.
type RecordScore struct {
	Study, Couple string
	Role          Role
	Wave          int
	Construct     string
	Value         float64
	MeasuredAt    time.Time
}

func (c RecordScore) Target() Target { return Target{c.Study, c.Couple} }

func (c RecordScore) decide(p Past) ([]Event, error) {
	if _, err := p.mayObserve(c.Role, ScopeQuestionnaires, c.MeasuredAt); err != nil {
		return nil, err
	}
	if _, err := p.wave(c.Wave); err != nil {
		return nil, err
	}
	if err := p.checkScore(c.Construct, c.Value); err != nil {
		return nil, err
	}
	if old, ok := p.Couple.scores[scoreKey{waveKey{c.Role, c.Wave}, c.Construct}]; ok {
		if old == c.Value {
			return nil, nil
		}
		return nil, refuse(Conflict, c.Construct, "the score of role %s at wave %d was recorded before with another value; a wrong score is corrected, not recorded again", c.Role, c.Wave)
	}
	return []Event{ScoreRecorded{c.Role, c.Wave, c.Construct, c.Value, c.MeasuredAt.UTC()}}, nil
}

// checkScore refuses a value that the construct cannot have.
func (p Past) checkScore(construct string, value float64) error {
	k, ok := p.Study.Protocol.Construct(construct)
	if !ok {
		return refuse(NotFound, construct, "the protocol has no construct %q that is recorded from outside", construct)
	}
	if !finite(value) {
		return refuse(Invalid, construct, "the value is not a finite number")
	}
	if (k.Min != nil && value < *k.Min) || (k.Max != nil && value > *k.Max) {
		return refuse(Invalid, construct, "the value is out of range; expected %s to %s", bound(k.Min), bound(k.Max))
	}
	return nil
}

func bound(b *float64) string {
	if b == nil {
		return "anything"
	}
	return fmt.Sprintf("%g", *b)
}

// CorrectScore replaces a recorded score.
type CorrectScore struct {
	Study, Couple string
	Role          Role
	Wave          int
	Construct     string
	Value         float64
	Reason        string
}

func (c CorrectScore) Target() Target { return Target{c.Study, c.Couple} }

func (c CorrectScore) decide(p Past) ([]Event, error) {
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	if err := p.checkScore(c.Construct, c.Value); err != nil {
		return nil, err
	}
	if c.Reason == "" {
		return nil, refuse(Invalid, "reason", "a correction needs a reason")
	}
	switch old, ok := p.Couple.scores[scoreKey{waveKey{c.Role, c.Wave}, c.Construct}]; {
	case !ok:
		return nil, refuse(NotFound, c.Construct, "no score of role %s at wave %d was recorded", c.Role, c.Wave)
	case old == c.Value:
		return nil, nil
	}
	return []Event{ScoreCorrected{c.Role, c.Wave, c.Construct, c.Value, c.Reason}}, nil
}

// CloseWave notes who let a wave pass without an answer, for one participant whose window and
// grace are over. A scheduler sends it; sent early it is refused.
type CloseWave struct {
	Study, Couple string
	Role          Role
	Wave          int
	At            time.Time
}

func (c CloseWave) Target() Target { return Target{c.Study, c.Couple} }

func (c CloseWave) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	wave, err := p.wave(c.Wave)
	if err != nil {
		return nil, err
	}
	switch window, ok := p.waveWindow(who, wave); {
	case !ok:
		return nil, refuse(Conflict, "wave", "what wave %d is counted from has not happened yet", c.Wave)
	case c.At.Before(window.Ends):
		return nil, refuse(Conflict, "wave", "wave %d is open until %s", c.Wave, window.Ends.Format(time.RFC3339))
	}
	if p.Couple.missedWaves[waveKey{c.Role, c.Wave}] {
		return nil, nil
	}
	for k := range p.Couple.questionnaires {
		if k.waveKey == (waveKey{c.Role, c.Wave}) {
			return nil, nil
		}
	}
	for k := range p.Couple.scores {
		if k.waveKey == (waveKey{c.Role, c.Wave}) {
			return nil, nil
		}
	}
	return []Event{WaveMissed{c.Role, c.Wave}}, nil
}
