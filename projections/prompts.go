package projections

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"asem/domain"
	"asem/events"
)

// What reminded whom, and what followed: the ledger of prompts, and when forms were opened and sent. It holds no answer. A step is a row, so that
// every position shows the steps up to it.
const promptSchema = `
CREATE TABLE IF NOT EXISTS {prompt} (
	key           BYTEA NOT NULL, -- of the person
	prompt        TEXT NOT NULL,
	wave          BIGINT NOT NULL,
	burst         TEXT NOT NULL,
	day           TEXT NOT NULL,
	channel       TEXT NOT NULL,
	scheduled_for BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, prompt)
);
CREATE TABLE IF NOT EXISTS {prompt_step} (
	key           BYTEA NOT NULL, -- of the person
	prompt        TEXT NOT NULL,
	step          TEXT NOT NULL,
	at            BIGINT NOT NULL,
	reason        TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, prompt, step)
);
CREATE TABLE IF NOT EXISTS {form_step} (
	key           BYTEA NOT NULL, -- of the person
	wave          BIGINT NOT NULL,
	burst         TEXT NOT NULL,
	day           TEXT NOT NULL,
	step          TEXT NOT NULL,
	at            BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, wave, burst, day, step, from_position)
)`

// The steps.
const (
	stepSent      = "sent"
	stepAccepted  = "accepted"
	stepFailed    = "failed"
	stepOpened    = "opened"
	stepStarted   = "started"
	stepSubmitted = "submitted"
)

func prompts() definition {
	return project("prompts", 1, promptSchema,
		erases("prompt", "prompt_step", "form_step"),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.PromptScheduled) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insertPrompt, []byte(personKey(at.Study, couple, e.Role)), e.Prompt, e.Occasion.Wave, e.Occasion.Burst, e.Occasion.Day.String(), e.Channel, micros(e.At), int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.PromptSent) error {
			return tx.promptStep(ctx, at, e.Role, e.Prompt, stepSent, e.At, "")
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.PromptAccepted) error {
			return tx.promptStep(ctx, at, e.Role, e.Prompt, stepAccepted, e.At, "")
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.PromptFailed) error {
			return tx.promptStep(ctx, at, e.Role, e.Prompt, stepFailed, e.At, e.Reason)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.PromptOpened) error {
			return tx.promptStep(ctx, at, e.Role, e.Prompt, stepOpened, e.At, "")
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.FormStarted) error {
			return tx.formStep(ctx, at, e.Role, e.Occasion, stepStarted, e.At)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.QuestionnaireSubmitted) error {
			return tx.formStep(ctx, at, e.Role, domain.Occasion{Wave: e.Wave}, stepSubmitted, e.FilledAt)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.DiarySubmitted) error {
			return tx.formStep(ctx, at, e.Role, domain.Occasion{Burst: e.Burst, Day: e.Day}, stepSubmitted, e.FilledAt)
		}),
	)
}

var (
	insertPrompt     = insertInto("prompt", "key, prompt, wave, burst, day, channel, scheduled_for, from_position")
	insertPromptStep = insertInto("prompt_step", "key, prompt, step, at, reason, from_position")
	insertFormStep   = insertInto("form_step", "key, wave, burst, day, step, at, from_position")
)

func (t *Tx) promptStep(ctx context.Context, at events.Envelope, r domain.Role, prompt, step string, when time.Time, reason string) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.Insert(ctx, insertPromptStep, []byte(personKey(at.Study, couple, r)), prompt, step, micros(when), reason, int64(at.Position))
}

func (t *Tx) formStep(ctx context.Context, at events.Envelope, r domain.Role, o domain.Occasion, step string, when time.Time) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.Insert(ctx, insertFormStep, []byte(personKey(at.Study, couple, r)), o.Wave, o.Burst, o.Day.String(), step, micros(when), int64(at.Position))
}

// PromptLine is a reminder of a person, and how far it came. Times are zero for what has not happened.
type PromptLine struct {
	PersonID
	Prompt    string
	Occasion  domain.Occasion
	Channel   string
	Scheduled time.Time // for when
	Sent      time.Time
	Accepted  time.Time
	Failed    time.Time
	Reason    string // why it failed
	Opened    time.Time
	Started   time.Time // the form it is about was first opened
	Submitted time.Time // the last part of it came in
	Position  events.Position
}

// PromptsOf returns the reminders of persons by the time for which they were scheduled; persons without any are left out.
func (v View) PromptsOf(ctx context.Context, persons []PersonID) (map[PersonID][]PromptLine, error) {
	byKey := make(map[string]PersonID, len(persons))
	for _, p := range persons {
		byKey[string(p.key())] = p
	}
	found := map[PersonID][]PromptLine{}
	err := inParts(personKeys(persons), func(part []string) error {
		condition, width := among("key", 2, len(part))
		args := fill(nil, asBytes(part), width)
		type promptKey struct{ key, prompt string }
		type formKey struct {
			key      string
			occasion domain.Occasion
		}
		steps, forms := map[promptKey]map[string]promptAt{}, map[formKey]map[string]time.Time{}
		err := v.read(ctx, "the steps of reminders", `SELECT key, prompt, step, at, reason FROM {prompt_step} WHERE from_position <= $1 AND `+condition, args, func(scan scanner) error {
			var k []byte
			var prompt, step, reason string
			var at int64
			if err := scan(&k, &prompt, &step, &at, &reason); err != nil {
				return err
			}
			id := promptKey{string(k), prompt}
			if steps[id] == nil {
				steps[id] = map[string]promptAt{}
			}
			steps[id][step] = promptAt{timeOf(at), reason}
			return nil
		})
		if err != nil {
			return err
		}
		first := `SELECT key, wave, burst, day, step, CASE WHEN step = '` + stepStarted + `' THEN min(at) ELSE max(at) END FROM {form_step} WHERE from_position <= $1 AND `
		err = v.read(ctx, "when forms were opened and sent", first+condition+` GROUP BY key, wave, burst, day, step`, args, func(scan scanner) error {
			var k []byte
			var o domain.Occasion
			var step string
			var at int64
			if err := scan(&k, &o.Wave, &o.Burst, day{&o.Day}, &step, &at); err != nil {
				return err
			}
			id := formKey{string(k), o}
			if forms[id] == nil {
				forms[id] = map[string]time.Time{}
			}
			forms[id][step] = timeOf(at)
			return nil
		})
		if err != nil {
			return err
		}
		return v.read(ctx, "the reminders", `SELECT key, prompt, wave, burst, day, channel, scheduled_for, from_position FROM {prompt} WHERE from_position <= $1 AND `+condition, args, func(scan scanner) error {
			var k []byte
			var l PromptLine
			var at int64
			if err := scan(&k, &l.Prompt, &l.Occasion.Wave, &l.Occasion.Burst, day{&l.Occasion.Day}, &l.Channel, &at, &l.Position); err != nil {
				return err
			}
			s, f := steps[promptKey{string(k), l.Prompt}], forms[formKey{string(k), l.Occasion}]
			l.PersonID, l.Scheduled = byKey[string(k)], timeOf(at)
			l.Sent, l.Accepted, l.Failed, l.Reason, l.Opened = s[stepSent].at, s[stepAccepted].at, s[stepFailed].at, s[stepFailed].reason, s[stepOpened].at
			l.Started, l.Submitted = f[stepStarted], f[stepSubmitted]
			found[l.PersonID] = append(found[l.PersonID], l)
			return nil
		})
	})
	for _, list := range found {
		slices.SortFunc(list, func(a, b PromptLine) int {
			return firstOf(a.Scheduled.Compare(b.Scheduled), strings.Compare(a.Prompt, b.Prompt))
		})
	}
	return found, err
}

type promptAt struct {
	at     time.Time
	reason string
}

// PromptCounts counts the reminders about a wave, or about the days of a diary, by how far they came.
type PromptCounts struct {
	Wave      int    // its index; 0 for a diary
	Burst     string // code of the diary
	Scheduled int
	Sent      int
	Accepted  int
	Failed    map[string]int // by reason
	Opened    int
	Started   int // occasions on which somebody who was scheduled for a reminder opened the form
	Submitted int // and sent something
}

// PromptCounts counts over all persons of a study: waves first, then diaries by code. What nobody was reminded of is left out.
func (v View) PromptCounts(ctx context.Context, study string) ([]PromptCounts, error) {
	type about struct {
		wave  int
		burst string
	}
	by := map[about]*PromptCounts{}
	of := func(a about) *PromptCounts {
		if by[a] == nil {
			by[a] = &PromptCounts{Wave: a.wave, Burst: a.burst, Failed: map[string]int{}}
		}
		return by[a]
	}
	all := studyKey(study)
	args := []any{[]byte(all), []byte(all.end())}
	err := v.read(ctx, "how many reminders there are", `SELECT wave, burst, count(*) FROM {prompt} WHERE from_position <= $1 AND key > $2 AND key < $3 GROUP BY wave, burst`, args, func(scan scanner) error {
		var a about
		var n int
		if err := scan(&a.wave, &a.burst, &n); err != nil {
			return err
		}
		of(a).Scheduled = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = v.read(ctx, "how far reminders came", `SELECT p.wave, p.burst, s.step, s.reason, count(*) FROM {prompt} p JOIN {prompt_step} s ON s.key = p.key AND s.prompt = p.prompt
		WHERE p.from_position <= $1 AND s.from_position <= $1 AND p.key > $2 AND p.key < $3 GROUP BY p.wave, p.burst, s.step, s.reason`, args, func(scan scanner) error {
		var a about
		var step, reason string
		var n int
		if err := scan(&a.wave, &a.burst, &step, &reason, &n); err != nil {
			return err
		}
		switch c := of(a); step {
		case stepSent:
			c.Sent = n
		case stepAccepted:
			c.Accepted = n
		case stepFailed:
			c.Failed[reason] = n
		case stepOpened:
			c.Opened = n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = v.read(ctx, "what followed reminders", `SELECT wave, burst, step, count(*) FROM (SELECT DISTINCT f.key, f.wave, f.burst, f.day, f.step FROM {form_step} f
		JOIN {prompt} p ON p.key = f.key AND p.wave = f.wave AND p.burst = f.burst AND p.day = f.day
		WHERE f.from_position <= $1 AND p.from_position <= $1 AND f.key > $2 AND f.key < $3) AS o GROUP BY wave, burst, step`, args, func(scan scanner) error {
		var a about
		var step string
		var n int
		if err := scan(&a.wave, &a.burst, &step, &n); err != nil {
			return err
		}
		if step == stepStarted {
			of(a).Started = n
		} else {
			of(a).Submitted = n
		}
		return nil
	})
	list := make([]PromptCounts, 0, len(by))
	for _, c := range by {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b PromptCounts) int {
		return firstOf(strings.Compare(a.Burst, b.Burst), cmp.Compare(a.Wave, b.Wave))
	})
	return list, err
}
