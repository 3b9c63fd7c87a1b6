package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
)

// The raw entries of a day and the scores derived from them stand in tables of their own: scoring again
// never touches what was answered.
const diarySchema = `
CREATE TABLE IF NOT EXISTS {diary} (
	key           BYTEA NOT NULL, -- of the person
	burst         TEXT NOT NULL,
	day           TEXT NOT NULL,
	entries       TEXT NOT NULL, -- raw, as JSON
	filled_at     BIGINT NOT NULL,
	timing        TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, burst, day)
);
CREATE TABLE IF NOT EXISTS {diary_score} (
	key            BYTEA NOT NULL, -- of the person
	study          TEXT NOT NULL,
	couple         TEXT NOT NULL,
	role           TEXT NOT NULL,
	burst          TEXT NOT NULL,
	day            TEXT NOT NULL,
	construct      TEXT NOT NULL,
	instrument     TEXT NOT NULL,
	key_version    TEXT NOT NULL,
	status         TEXT NOT NULL,
	value          DOUBLE PRECISION, -- null: missing, for the reason
	items_answered BIGINT NOT NULL,
	items_total    BIGINT NOT NULL,
	reason         TEXT NOT NULL,
	from_position  BIGINT NOT NULL,
	to_position    BIGINT NOT NULL,
	PRIMARY KEY (key, burst, day, instrument, construct, from_position)
);`

const diaryInstruments = "diary_instrument"

func diaries() definition {
	return project("diary", 1, diarySchema+fmt.Sprintf(instrumentSchema, diaryInstruments),
		keepInstruments(diaryInstruments),
		erases("diary", "diary_score"),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.DiarySubmitted) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k, day := []byte(personKey(at.Study, couple, e.Role)), e.Day.String()
			err = tx.Insert(ctx, insertDiary, k, e.Burst, day, asJSON(e.Entries), micros(e.FilledAt), string(e.Timing), int64(at.Position))
			if err != nil {
				return err
			}
			for _, entry := range e.Entries {
				in, err := tx.instrument(ctx, diaryInstruments, at.Study, domain.InstrumentRef{Code: entry.Instrument, Version: entry.Version})
				if err != nil {
					return err
				}
				for _, s := range in.Score(entry.Answers) {
					err := tx.Insert(ctx, insertDiaryScore, k, at.Study, couple, string(e.Role), e.Burst, day, s.Scale, entry.Instrument, s.KeyVersion, string(s.Status),
						nullable(s.Value), s.ItemsAnswered, s.ItemsTotal, s.Reason, int64(at.Position), int64(forever))
					if err != nil {
						return err
					}
				}
			}
			return nil
		}),
	)
}

var (
	insertDiary      = insertInto("diary", "key, burst, day, entries, filled_at, timing, from_position")
	insertDiaryScore = insertInto("diary_score", `key, study, couple, role, burst, day, construct, instrument, key_version, status, value,
		items_answered, items_total, reason, from_position, to_position`)
)

// DiaryScore is a scale score of one diary day.
type DiaryScore struct {
	PersonID
	Burst         string
	Day           domain.Date // in the participant's own calendar
	Construct     string
	Instrument    string
	KeyVersion    string
	Status        domain.ScoreStatus
	Value         *float64 // nil if the status says that it cannot be given; Reason says why
	ItemsAnswered int
	ItemsTotal    int
	Reason        string
	Position      events.Position
}

// Diary is what a person sent for one day.
type Diary struct {
	PersonID
	Burst    string
	Day      domain.Date
	Entries  []domain.DiaryEntry // raw
	FilledAt time.Time
	Timing   domain.Timing
	Position events.Position
}

const diaryScoreColumns = `SELECT study, couple, role, burst, day, construct, instrument, key_version, status, value, items_answered, items_total, reason, from_position
	FROM {diary_score} WHERE ` + held + ` AND `

func scanDiaryScore(scan scanner) (DiaryScore, error) {
	var s DiaryScore
	var value sql.NullFloat64
	err := scan(&s.Study, &s.Couple, &s.Role, &s.Burst, day{&s.Day}, &s.Construct, &s.Instrument, &s.KeyVersion, &s.Status, &value,
		&s.ItemsAnswered, &s.ItemsTotal, &s.Reason, &s.Position)
	if value.Valid {
		s.Value = &value.Float64
	}
	return s, err
}

func compareDiaryScores(a, b DiaryScore) int {
	return firstOf(frame.Natural(a.Couple, b.Couple), frame.Natural(string(a.Role), string(b.Role)), compareDays(a.Day, b.Day), strings.Compare(a.Burst, b.Burst),
		strings.Compare(a.Construct, b.Construct), strings.Compare(a.Instrument, b.Instrument))
}

func compareDays(a, b domain.Date) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}

// DiaryScores returns every diary score of a study, in natural order of couple and role, then by day, burst,
// construct and instrument.
func (v View) DiaryScores(ctx context.Context, study string) ([]DiaryScore, error) {
	all := studyKey(study)
	var list []DiaryScore
	err := v.read(ctx, "the diary scores", diaryScoreColumns+`key > $2 AND key < $3`, []any{[]byte(all), []byte(all.end())}, func(scan scanner) error {
		s, err := scanDiaryScore(scan)
		list = append(list, s)
		return err
	})
	slices.SortFunc(list, compareDiaryScores)
	return list, err
}

// DiaryScoresOf returns the diary scores of persons, each in the order of [View.DiaryScores]; persons without any are
// left out.
func (v View) DiaryScoresOf(ctx context.Context, persons []PersonID) (map[PersonID][]DiaryScore, error) {
	found := map[PersonID][]DiaryScore{}
	err := inParts(personKeys(persons), func(part []string) error {
		condition, width := among("key", 2, len(part))
		return v.read(ctx, "the diary scores", diaryScoreColumns+condition, fill(nil, asBytes(part), width), func(scan scanner) error {
			s, err := scanDiaryScore(scan)
			found[s.PersonID] = append(found[s.PersonID], s)
			return err
		})
	})
	for _, list := range found {
		slices.SortFunc(list, compareDiaryScores)
	}
	return found, err
}

// DiariesOf returns what persons sent, by day; persons who sent nothing are left out.
func (v View) DiariesOf(ctx context.Context, persons []PersonID) (map[PersonID][]Diary, error) {
	byKey := make(map[string]PersonID, len(persons))
	for _, p := range persons {
		byKey[string(p.key())] = p
	}
	found := map[PersonID][]Diary{}
	err := inParts(personKeys(persons), func(part []string) error {
		condition, width := among("key", 2, len(part))
		return v.read(ctx, "the diaries", `SELECT key, burst, day, entries, filled_at, timing, from_position FROM {diary} WHERE from_position <= $1 AND `+condition,
			fill(nil, asBytes(part), width), func(scan scanner) error {
				var k []byte
				var d Diary
				var entries string
				var filled int64
				if err := scan(&k, &d.Burst, day{&d.Day}, &entries, &filled, &d.Timing, &d.Position); err != nil {
					return err
				}
				if err := json.Unmarshal([]byte(entries), &d.Entries); err != nil {
					return err
				}
				d.PersonID, d.FilledAt = byKey[string(k)], timeOf(filled)
				found[d.PersonID] = append(found[d.PersonID], d)
				return nil
			})
	})
	for _, list := range found {
		slices.SortFunc(list, func(a, b Diary) int { return firstOf(compareDays(a.Day, b.Day), strings.Compare(a.Burst, b.Burst)) })
	}
	return found, err
}

func personKeys(persons []PersonID) []string {
	keys := make([]string, len(persons))
	for i, p := range persons {
		keys[i] = string(p.key())
	}
	return keys
}
