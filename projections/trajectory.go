package projections

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"asem/domain"
	"asem/events"
)

// A score's series is one construct of one person; its values stand at waves. A construct may be measured by
// several instruments, and be recorded from outside (instrument empty): each gives a value of its own.
const trajectorySchema = `
CREATE TABLE IF NOT EXISTS {questionnaire} (
	key           BYTEA NOT NULL, -- of the person
	wave          BIGINT NOT NULL,
	instrument    TEXT NOT NULL,
	version       TEXT NOT NULL,
	answers       TEXT NOT NULL, -- raw, as JSON
	filled_at     BIGINT NOT NULL,
	timing        TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (key, wave, instrument, from_position)
);
CREATE TABLE IF NOT EXISTS {score} (
	key            BYTEA NOT NULL, -- of the series
	study          TEXT NOT NULL,
	couple         TEXT NOT NULL,
	role           TEXT NOT NULL,
	construct      TEXT NOT NULL,
	wave           BIGINT NOT NULL,
	instrument     TEXT NOT NULL, -- empty: recorded from outside
	key_version    TEXT NOT NULL,
	status         TEXT NOT NULL,
	value          DOUBLE PRECISION, -- null: missing, for the reason
	items_answered BIGINT NOT NULL,
	items_total    BIGINT NOT NULL,
	reason         TEXT NOT NULL,
	measured_at    BIGINT NOT NULL,
	from_position  BIGINT NOT NULL,
	to_position    BIGINT NOT NULL,
	PRIMARY KEY (key, wave, instrument, from_position)
);`

const trajectoryInstruments = "trajectory_instrument"

func trajectories() definition {
	return project("trajectory", 1, trajectorySchema+fmt.Sprintf(instrumentSchema, trajectoryInstruments),
		keepInstruments(trajectoryInstruments),
		erases("questionnaire", "score"),
		on(scoreQuestionnaire),
		on(scoreCorrectedAnswer),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ScoreRecorded) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.openScore(ctx, at.Position, Score{SeriesID: SeriesID{PersonID{at.Study, couple, e.Role}, e.Construct}, Wave: e.Wave,
				Status: domain.Scored, Value: &e.Value, MeasuredAt: e.MeasuredAt})
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ScoreCorrected) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			s := Score{SeriesID: SeriesID{PersonID{at.Study, couple, e.Role}, e.Construct}, Wave: e.Wave}
			old, err := tx.closeScore(ctx, at.Position, s)
			if err != nil {
				return err
			}
			old.Value = &e.Value
			return tx.openScore(ctx, at.Position, old)
		}),
	)
}

var (
	insertQuestionnaire = insertInto("questionnaire", "key, wave, instrument, version, answers, filled_at, timing, from_position, to_position")
	insertScore         = insertInto("score", `key, study, couple, role, construct, wave, instrument, key_version, status, value,
		items_answered, items_total, reason, measured_at, from_position, to_position`)
)

func scoreQuestionnaire(ctx context.Context, tx *Tx, at events.Envelope, e domain.QuestionnaireSubmitted) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	person := PersonID{at.Study, couple, e.Role}
	in, err := tx.instrument(ctx, trajectoryInstruments, at.Study, domain.InstrumentRef{Code: e.Instrument, Version: e.Version})
	if err != nil {
		return err
	}
	err = tx.Insert(ctx, insertQuestionnaire, []byte(person.key()), e.Wave, e.Instrument, e.Version, asJSON(e.Answers), micros(e.FilledAt), string(e.Timing),
		int64(at.Position), int64(forever))
	for _, s := range in.Score(e.Answers) {
		if err != nil {
			return err
		}
		err = tx.openScore(ctx, at.Position, scoreOf(person, e.Wave, e.Instrument, e.FilledAt, s))
	}
	return err
}

// scoreCorrectedAnswer replaces the answers and those scores that come out differently.
func scoreCorrectedAnswer(ctx context.Context, tx *Tx, at events.Envelope, e domain.AnswerCorrected) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	person := PersonID{at.Study, couple, e.Role}
	in, err := tx.instrument(ctx, trajectoryInstruments, at.Study, domain.InstrumentRef{Code: e.Instrument, Version: e.Version})
	if err != nil {
		return err
	}
	row, err := tx.queryRow(ctx, `UPDATE {questionnaire} SET to_position = $4 WHERE key = $1 AND wave = $2 AND instrument = $3 AND to_position = $5
		RETURNING answers, filled_at, timing`, []byte(person.key()), e.Wave, e.Instrument, int64(at.Position), int64(forever))
	if err != nil {
		return err
	}
	var text, timing string
	var filled int64
	if err := row.Scan(&text, &filled, &timing); err != nil {
		return fmt.Errorf("find the answers to %s of wave %d: %w", e.Instrument, e.Wave, err)
	}
	var answers []domain.Answer
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return err
	}
	before := in.Score(answers)
	answers = append(slices.DeleteFunc(answers, func(a domain.Answer) bool { return a.Item == e.Answer.Item }), e.Answer)
	if err := tx.Insert(ctx, insertQuestionnaire, []byte(person.key()), e.Wave, e.Instrument, e.Version, asJSON(answers), filled, timing,
		int64(at.Position), int64(forever)); err != nil {
		return err
	}
	for i, now := range in.Score(answers) {
		if sameScore(before[i], now) {
			continue
		}
		s := scoreOf(person, e.Wave, e.Instrument, timeOf(filled), now)
		if _, err := tx.closeScore(ctx, at.Position, s); err != nil {
			return err
		}
		if err := tx.openScore(ctx, at.Position, s); err != nil {
			return err
		}
	}
	return nil
}

func sameScore(a, b domain.Score) bool {
	same := a.Value == nil && b.Value == nil || a.Value != nil && b.Value != nil && *a.Value == *b.Value
	a.Value, b.Value = nil, nil
	return same && a == b
}

func scoreOf(person PersonID, wave int, instrument string, measured time.Time, s domain.Score) Score {
	return Score{SeriesID: SeriesID{person, s.Scale}, Wave: wave, Instrument: instrument, KeyVersion: s.KeyVersion, Status: s.Status, Value: s.Value,
		ItemsAnswered: s.ItemsAnswered, ItemsTotal: s.ItemsTotal, Reason: s.Reason, MeasuredAt: measured}
}

func (t *Tx) openScore(ctx context.Context, at events.Position, s Score) error {
	return t.Insert(ctx, insertScore, []byte(s.key()), s.Study, s.Couple, string(s.Role), s.Construct, s.Wave, s.Instrument, s.KeyVersion, string(s.Status),
		nullable(s.Value), s.ItemsAnswered, s.ItemsTotal, s.Reason, micros(s.MeasuredAt), int64(at), int64(forever))
}

// closeScore ends the value of a series at a wave and returns it.
func (t *Tx) closeScore(ctx context.Context, at events.Position, s Score) (Score, error) {
	row, err := t.queryRow(ctx, `UPDATE {score} SET to_position = $4 WHERE key = $1 AND wave = $2 AND instrument = $3 AND to_position = $5
		RETURNING `+scoreColumns, []byte(s.key()), s.Wave, s.Instrument, int64(at), int64(forever))
	if err != nil {
		return Score{}, err
	}
	old, err := scanScore(row.Scan)
	if err != nil {
		return Score{}, fmt.Errorf("find the score of %s at wave %d: %w", s.Construct, s.Wave, err)
	}
	return old, nil
}

func nullable(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

const scoreColumns = `study, couple, role, construct, wave, instrument, key_version, status, value, items_answered, items_total, reason, measured_at, from_position`

func scanScore(scan scanner) (Score, error) {
	var s Score
	var value sql.NullFloat64
	var measured int64
	err := scan(&s.Study, &s.Couple, &s.Role, &s.Construct, &s.Wave, &s.Instrument, &s.KeyVersion, &s.Status, &value,
		&s.ItemsAnswered, &s.ItemsTotal, &s.Reason, &measured, &s.Position)
	if value.Valid {
		s.Value = &value.Float64
	}
	s.MeasuredAt = timeOf(measured)
	return s, err
}

func (p PersonID) key() key { return personKey(p.Study, p.Couple, p.Role) }

// SeriesID names a trajectory: one construct of one person.
type SeriesID struct {
	PersonID
	Construct string
}

func (s SeriesID) key() key { return seriesKey(s.Study, s.Couple, s.Role, s.Construct) }

// Score is one value of a trajectory, as it stood at the position of a view.
type Score struct {
	SeriesID
	Wave          int
	Instrument    string // empty: recorded from outside, not derived from answers
	KeyVersion    string // of the scoring key; empty if recorded from outside
	Status        domain.ScoreStatus
	Value         *float64 // nil if the status says that it cannot be given; Reason says why
	ItemsAnswered int
	ItemsTotal    int
	Reason        string
	MeasuredAt    time.Time       // in the world
	Position      events.Position // of the event that the value comes from
}

// Trajectory is a person's course on one construct: scores by wave, then instrument.
type Trajectory struct {
	SeriesID
	Scores []Score
}

// TrajectoryFilter narrows a list of trajectories; an empty field does not.
type TrajectoryFilter struct {
	Couples    []string
	Roles      []domain.Role
	Constructs []string
	Waves      []int
}

// where returns the condition of the filter; its parameters begin with number first.
func (f TrajectoryFilter) where(first int) (string, []any) {
	var b strings.Builder
	var args []any
	add := func(column string, values []any) {
		if len(values) > 0 {
			condition, width := among(column, first+len(args), len(values))
			b.WriteString(" AND " + condition)
			args = fill(args, values, width)
		}
	}
	add("couple", anys(f.Couples))
	add("role", anys(f.Roles))
	add("construct", anys(f.Constructs))
	add("wave", anys(f.Waves))
	return b.String(), args
}

// anys widens codes and indexes to parameters.
func anys[T ~string | ~int](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		switch v := any(v).(type) {
		case domain.Role:
			out[i] = string(v)
		default:
			out[i] = v
		}
	}
	return out
}

// Trajectories returns a page of a study's trajectories, by couple, role and construct in natural order. The
// cursor of one is [SeriesID.Cursor].
func (v View) Trajectories(ctx context.Context, study string, f TrajectoryFilter, p Page) (Slice[Trajectory], error) {
	if err := p.check(); err != nil {
		return Slice[Trajectory]{}, err
	}
	all := studyKey(study)
	low, high, err := p.bounds(all, func(cursor string) (key, error) { return seriesCursor(study, cursor) })
	if err != nil {
		return Slice[Trajectory]{}, err
	}
	direction, limit := p.order()
	where, args := f.where(5)
	var keys []string
	err = v.read(ctx, "the trajectories", `SELECT DISTINCT key FROM {score} WHERE `+held+` AND key > $2 AND key < $3`+where+` ORDER BY key `+direction+` LIMIT $4`,
		append([]any{[]byte(low), []byte(high), limit}, args...), func(scan scanner) error {
			var k []byte
			err := scan(&k)
			keys = append(keys, string(k))
			return err
		})
	if err != nil {
		return Slice[Trajectory]{}, err
	}
	var total int
	where, args = f.where(4)
	err = v.read(ctx, "the trajectories", `SELECT count(DISTINCT key) FROM {score} WHERE `+held+` AND key > $2 AND key < $3`+where,
		append([]any{[]byte(all), []byte(all.end())}, args...), func(scan scanner) error { return scan(&total) })
	if err != nil {
		return Slice[Trajectory]{}, err
	}
	page := slice(p, keys, total)
	list, err := v.readTrajectories(ctx, page.Items, f.Waves)
	return Slice[Trajectory]{list, page.HasNext, page.HasPrevious, total}, err
}

// Cursor returns what [Page] takes to go on from a trajectory.
func (s SeriesID) Cursor() string { return s.Couple + "/" + string(s.Role) + "/" + s.Construct }

func seriesCursor(study, cursor string) (key, error) {
	part := strings.Split(cursor, "/")
	if len(part) != 3 {
		return nil, invalid("after", "%q is not the cursor of a trajectory", cursor)
	}
	return seriesKey(study, part[0], domain.Role(part[1]), part[2]), nil
}

// TrajectoriesByID returns the trajectories with the given ids; those without a score are left out.
func (v View) TrajectoriesByID(ctx context.Context, ids []SeriesID) (map[SeriesID]Trajectory, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = string(id.key())
	}
	list, err := v.readTrajectories(ctx, keys, nil)
	found := make(map[SeriesID]Trajectory, len(list))
	for _, t := range list {
		found[t.SeriesID] = t
	}
	return found, err
}

// readTrajectories reads the series with the given keys in the order of keys, at some waves or all.
func (v View) readTrajectories(ctx context.Context, keys []string, waves []int) ([]Trajectory, error) {
	var list []Trajectory
	err := inParts(keys, func(part []string) error {
		condition, width := among("key", 2, len(part))
		args := fill(nil, asBytes(part), width)
		where, more := TrajectoryFilter{Waves: waves}.where(2 + width)
		return v.read(ctx, "the scores", `SELECT `+scoreColumns+` FROM {score} WHERE `+held+` AND `+condition+where+` ORDER BY key, wave, from_position`,
			append(args, more...), func(scan scanner) error {
				s, err := scanScore(scan)
				if err != nil {
					return err
				}
				if n := len(list); n == 0 || list[n-1].SeriesID != s.SeriesID {
					list = append(list, Trajectory{SeriesID: s.SeriesID})
				}
				t := &list[len(list)-1]
				t.Scores = append(t.Scores, s)
				return nil
			})
	})
	for _, t := range list {
		slices.SortFunc(t.Scores, func(a, b Score) int {
			if a.Wave != b.Wave {
				return a.Wave - b.Wave
			}
			return strings.Compare(a.Instrument, b.Instrument)
		})
	}
	return list, err
}

// Scores calls f for every score of a study, by couple, role and construct in natural order, then wave. An
// error of f ends the reading and is returned.
func (v View) Scores(ctx context.Context, study string, f func(Score) error) error {
	return v.scoresWithin(ctx, studyKey(study), f)
}

func (v View) scoresWithin(ctx context.Context, within key, f func(Score) error) error {
	return v.read(ctx, "the scores", `SELECT `+scoreColumns+` FROM {score} WHERE `+held+` AND key > $2 AND key < $3 ORDER BY key, wave, from_position`,
		[]any{[]byte(within), []byte(within.end())}, func(scan scanner) error {
			s, err := scanScore(scan)
			if err != nil {
				return err
			}
			return f(s)
		})
}

// Questionnaire is what a person answered to one instrument of a wave, as it stood at the position of a
// view: corrections are in it.
type Questionnaire struct {
	PersonID
	Wave     int
	Ref      domain.InstrumentRef
	Answers  []domain.Answer // raw
	FilledAt time.Time
	Timing   domain.Timing
	Position events.Position // of the event that last changed an answer
}

// QuestionnairesOf returns what persons answered, by wave and instrument; persons without answers are left out.
func (v View) QuestionnairesOf(ctx context.Context, persons []PersonID) (map[PersonID][]Questionnaire, error) {
	byKey := make(map[string]PersonID, len(persons))
	keys := make([]string, len(persons))
	for i, p := range persons {
		keys[i] = string(p.key())
		byKey[keys[i]] = p
	}
	found := map[PersonID][]Questionnaire{}
	err := inParts(keys, func(part []string) error {
		condition, width := among("key", 2, len(part))
		return v.read(ctx, "the answers", `SELECT key, wave, instrument, version, answers, filled_at, timing, from_position FROM {questionnaire} WHERE `+held+` AND `+condition,
			fill(nil, asBytes(part), width), func(scan scanner) error {
				var k []byte
				var q Questionnaire
				var answers string
				var filled int64
				if err := scan(&k, &q.Wave, &q.Ref.Code, &q.Ref.Version, &answers, &filled, &q.Timing, &q.Position); err != nil {
					return err
				}
				q.PersonID, q.FilledAt = byKey[string(k)], timeOf(filled)
				found[q.PersonID] = append(found[q.PersonID], q)
				return json.Unmarshal([]byte(answers), &found[q.PersonID][len(found[q.PersonID])-1].Answers)
			})
	})
	for _, list := range found {
		slices.SortFunc(list, func(a, b Questionnaire) int {
			if a.Wave != b.Wave {
				return a.Wave - b.Wave
			}
			return strings.Compare(a.Ref.Code, b.Ref.Code)
		})
	}
	return found, err
}
