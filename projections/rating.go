package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"asem/analysis/agreement"
	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
)

const ratingSchema = `
CREATE TABLE IF NOT EXISTS {interaction} (
	couple_key    BYTEA NOT NULL,
	code          TEXT NOT NULL,
	task          TEXT NOT NULL,
	wave          BIGINT NOT NULL,
	duration_ms   BIGINT NOT NULL,
	held_at       BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (couple_key, code)
);
CREATE TABLE IF NOT EXISTS {clip} (
	couple_key    BYTEA NOT NULL,
	code          TEXT NOT NULL,
	interaction   TEXT NOT NULL,
	start_ms      BIGINT NOT NULL,
	end_ms        BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (couple_key, code)
);
CREATE TABLE IF NOT EXISTS {rating} (
	couple_key    BYTEA NOT NULL,
	study         TEXT NOT NULL,
	couple        TEXT NOT NULL,
	clip          TEXT NOT NULL,
	scheme        TEXT NOT NULL,
	dimension     TEXT NOT NULL,
	target        TEXT NOT NULL, -- role; empty: the dyad
	unit          BIGINT NOT NULL,
	judge         TEXT NOT NULL,
	value         DOUBLE PRECISION NOT NULL,
	assignment    TEXT NOT NULL, -- for which it was given; empty: recorded outside asem
	rated_at      BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL, -- when it was corrected
	PRIMARY KEY (couple_key, clip, scheme, dimension, target, unit, judge, assignment, from_position)
);
CREATE TABLE IF NOT EXISTS {adjudication} (
	couple_key    BYTEA NOT NULL,
	clip          TEXT NOT NULL,
	scheme        TEXT NOT NULL,
	dimension     TEXT NOT NULL,
	target        TEXT NOT NULL,
	unit          BIGINT NOT NULL,
	value         DOUBLE PRECISION NOT NULL,
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (couple_key, clip, scheme, dimension, target, unit, from_position)
);
CREATE TABLE IF NOT EXISTS {waiting} ( -- a judge has the clip for the study and has not submitted
	couple_key    BYTEA NOT NULL,
	assignment    TEXT NOT NULL,
	clip          TEXT NOT NULL,
	scheme        TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (couple_key, assignment)
)`

// ratings are those for the study. Those of a clip count, and are shown to anybody, once all judges who have the clip have submitted, so that nobody
// who still rates can know what another gave, whatever else that person may read. What judges gave to gold clips tells of
// them and not of the couple, and is not shown here. A trace stands as one rating of the clip, its mean over time; it is
// always for the study, as no gold clip can be followed.
func ratings() definition {
	return project("rating", 3, ratingSchema,
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantErased) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			for _, table := range []string{"rating", "adjudication"} {
				if err := tx.Exec(ctx, `DELETE FROM {`+table+`} WHERE couple_key = $1 AND target = $2`, []byte(coupleKey(at.Study, couple)), string(e.Role)); err != nil {
					return err
				}
			}
			return tx.erase(ctx, at, e, "", nil, "couple_key", []string{"rating", "adjudication", "waiting", "clip", "interaction"})
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.InteractionRecorded) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insertInteraction, []byte(coupleKey(at.Study, couple)), e.Interaction, e.Task, e.Wave, e.DurationMs, micros(e.HeldAt), int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ClipCut) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insertClip, []byte(coupleKey(at.Study, couple)), e.Clip, e.Interaction, e.StartMs, e.EndMs, int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.RatingRecorded) error {
			couple, err := coupleOf(at)
			if err != nil || e.Purpose != "" {
				return err
			}
			return tx.Insert(ctx, insertRating, []byte(coupleKey(at.Study, couple)), at.Study, couple, e.Clip, e.Scheme, e.Dimension, string(e.Target), e.Unit,
				e.Judge, e.Value, e.Assignment, micros(e.RatedAt), int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.TraceRecorded) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insertRating, []byte(coupleKey(at.Study, couple)), at.Study, couple, e.Clip, e.Scheme, e.Dimension, string(e.Target), 0,
				e.Judge, e.Mean(), e.Assignment, micros(e.RatedAt), int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.AssignmentMade) error {
			couple, err := coupleOf(at)
			if err != nil || e.Purpose != domain.PurposeStudy {
				return err
			}
			return tx.Insert(ctx, insertWaiting, []byte(coupleKey(at.Study, couple)), e.Assignment, e.Clip, e.Scheme, int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.AssignmentReturned) error {
			return tx.noLonger(ctx, at, e.Assignment)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.AssignmentRetracted) error {
			return tx.noLonger(ctx, at, e.Assignment)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.RatingsSubmitted) error {
			return tx.noLonger(ctx, at, e.Assignment)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.RatingCorrected) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k := []byte(coupleKey(at.Study, couple))
			var rated int64
			row, err := tx.queryRow(ctx, `UPDATE {rating} SET to_position = $8 WHERE couple_key = $1 AND clip = $2 AND scheme = $3 AND dimension = $4 AND target = $5 AND unit = $6
				AND judge = $7 AND assignment = $10 AND to_position = $9 RETURNING rated_at`,
				k, e.Clip, e.Scheme, e.Dimension, string(e.Target), e.Unit, e.Judge, int64(at.Position), int64(forever), e.Assignment)
			if err == nil {
				err = row.Scan(&rated)
			}
			if errors.Is(err, sql.ErrNoRows) { // of a gold clip
				return nil
			}
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insertRating, k, at.Study, couple, e.Clip, e.Scheme, e.Dimension, string(e.Target), e.Unit, e.Judge, e.Value, e.Assignment, rated, int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.RatingAdjudicated) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k := []byte(coupleKey(at.Study, couple))
			if err := tx.Exec(ctx, `UPDATE {adjudication} SET to_position = $7 WHERE couple_key = $1 AND clip = $2 AND scheme = $3 AND dimension = $4 AND target = $5 AND unit = $6 AND to_position = $8`,
				k, e.Clip, e.Scheme, e.Dimension, string(e.Target), e.Unit, int64(at.Position), int64(forever)); err != nil {
				return err
			}
			return tx.Insert(ctx, insertAdjudication, k, e.Clip, e.Scheme, e.Dimension, string(e.Target), e.Unit, e.Value, int64(at.Position), int64(forever))
		}),
	)
}

// noLonger ends that a judge is waited for.
func (t *Tx) noLonger(ctx context.Context, at events.Envelope, assignment string) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.Exec(ctx, `UPDATE {waiting} SET to_position = $3 WHERE couple_key = $1 AND assignment = $2`, []byte(coupleKey(at.Study, couple)), assignment, int64(at.Position))
}

var (
	insertInteraction = insertInto("interaction", "couple_key, code, task, wave, duration_ms, held_at, from_position")
	insertClip        = insertInto("clip", "couple_key, code, interaction, start_ms, end_ms, from_position")
	insertRating      = insertInto("rating", "couple_key, study, couple, clip, scheme, dimension, target, unit, judge, value, assignment, rated_at, from_position, to_position")

	insertWaiting      = insertInto("waiting", "couple_key, assignment, clip, scheme, from_position, to_position")
	insertAdjudication = insertInto("adjudication", "couple_key, clip, scheme, dimension, target, unit, value, from_position, to_position")
)

// Rating is what one judge saw.
type Rating struct {
	CoupleID
	Wave      int // of the interaction that the clip was cut from
	Clip      string
	Scheme    string
	Dimension string
	Target    domain.Role // whose behaviour; empty: the dyad
	Unit      int         // which interval, event or turn, from 1; 0: the whole clip
	Judge     string
	Value     float64 // as corrected; of a trace, its mean over time
	RatedAt   time.Time
	Position  events.Position

	Assignment  string   // for which it was given; empty: recorded outside asem
	Adjudicated *float64 // what was settled on where judges differed; nil: nothing
}

// RatingMean is what the judges of a clip saw together.
type RatingMean struct {
	CoupleID
	Wave      int
	Clip      string
	Scheme    string
	Dimension string
	Target    domain.Role
	Mean      float64 // over units, of the mean over judges
	Judges    int     // different ones
	Ratings   int
	// Adjudicated is the mean over units with the values that were settled on in place of the judges' means; nil where none was.
	Adjudicated *float64
}

// Interaction is a recorded interaction and its clips.
type Interaction struct {
	CoupleID
	Interaction string
	Task        string
	Wave        int
	DurationMs  int
	HeldAt      time.Time
	Clips       []Clip // in natural order of their codes
	Position    events.Position
}

// Clip is a stretch of an interaction that is rated.
type Clip struct {
	Clip           string
	StartMs, EndMs int
	Position       events.Position
}

const ratingQuery = `SELECT r.study, r.couple, i.wave, r.clip, r.scheme, r.dimension, r.target, r.unit, r.judge, r.value, r.rated_at, r.from_position, r.assignment, d.value
	FROM {rating} r
	JOIN {clip} c ON c.couple_key = r.couple_key AND c.code = r.clip
	JOIN {interaction} i ON i.couple_key = c.couple_key AND i.code = c.interaction
	LEFT JOIN {adjudication} d ON d.couple_key = r.couple_key AND d.clip = r.clip AND d.scheme = r.scheme AND d.dimension = r.dimension AND d.target = r.target
		AND d.unit = r.unit AND d.from_position <= $1 AND $1 < d.to_position
	WHERE r.from_position <= $1 AND $1 < r.to_position
		AND (r.assignment = '' OR NOT EXISTS (SELECT 1 FROM {waiting} w WHERE w.couple_key = r.couple_key AND w.clip = r.clip AND w.scheme = r.scheme
			AND w.from_position <= $1 AND $1 < w.to_position))
		AND `

func scanRating(scan scanner) (Rating, error) {
	var r Rating
	var rated int64
	err := scan(&r.Study, &r.Couple, &r.Wave, &r.Clip, &r.Scheme, &r.Dimension, &r.Target, &r.Unit, &r.Judge, &r.Value, &rated, &r.Position, &r.Assignment, &r.Adjudicated)
	r.RatedAt = timeOf(rated)
	return r, err
}

// Ratings returns every rating of a study by every judge, as far as all judges of the clip have submitted, in natural order of couple, then by wave, clip, scheme,
// dimension, target, unit and judge.
func (v View) Ratings(ctx context.Context, study string) ([]Rating, error) {
	return v.ratingsWithin(ctx, studyKey(study))
}

// ratingsWithin returns the ratings of the couples whose keys begin with within.
func (v View) ratingsWithin(ctx context.Context, within key) ([]Rating, error) {
	var list []Rating
	err := v.read(ctx, "the ratings", ratingQuery+`r.couple_key >= $2 AND r.couple_key < $3`, []any{[]byte(within), []byte(within.end())},
		func(scan scanner) error {
			r, err := scanRating(scan)
			list = append(list, r)
			return err
		})
	slices.SortFunc(list, compareRatings)
	return list, err
}

// RatingsOf returns the ratings of couples, each in the order of [View.Ratings]; couples without ratings are left out.
func (v View) RatingsOf(ctx context.Context, couples []CoupleID) (map[CoupleID][]Rating, error) {
	found := map[CoupleID][]Rating{}
	err := inParts(coupleKeys(couples), func(part []string) error {
		condition, width := among("r.couple_key", 2, len(part))
		return v.read(ctx, "the ratings", ratingQuery+condition, fill(nil, asBytes(part), width), func(scan scanner) error {
			r, err := scanRating(scan)
			found[r.CoupleID] = append(found[r.CoupleID], r)
			return err
		})
	})
	for _, list := range found {
		slices.SortFunc(list, compareRatings)
	}
	return found, err
}

func coupleKeys(ids []CoupleID) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = string(coupleKey(id.Study, id.Couple))
	}
	return keys
}

// compareRatings orders ratings so that sums are formed in one order, whatever database they come from.
func compareRatings(a, b Rating) int {
	return firstOf(frame.Natural(a.Couple, b.Couple), a.Wave-b.Wave, frame.Natural(a.Clip, b.Clip), strings.Compare(a.Scheme, b.Scheme),
		strings.Compare(a.Dimension, b.Dimension), frame.Natural(string(a.Target), string(b.Target)), a.Unit-b.Unit, frame.Natural(a.Judge, b.Judge), strings.Compare(a.Assignment, b.Assignment))
}

// firstOf returns the first comparison that decides.
func firstOf(comparisons ...int) int {
	for _, c := range comparisons {
		if c != 0 {
			return c
		}
	}
	return 0
}

// MeanRatings combines the judges of each clip, per scheme, dimension and target. Ratings must be in the
// order of [View.Ratings]; so is the result. Units count alike, however many judges rated them.
func MeanRatings(list []Rating) []RatingMean {
	var means []RatingMean
	for len(list) > 0 {
		n := run(list, func(a, b Rating) bool {
			return a.CoupleID == b.CoupleID && a.Clip == b.Clip && a.Scheme == b.Scheme && a.Dimension == b.Dimension && a.Target == b.Target
		})
		r := list[0]
		m := RatingMean{CoupleID: r.CoupleID, Wave: r.Wave, Clip: r.Clip, Scheme: r.Scheme, Dimension: r.Dimension, Target: r.Target, Ratings: n}
		judges := map[string]bool{}
		units, settled, any := 0, 0.0, false
		for rest := list[:n]; len(rest) > 0; units++ {
			k := run(rest, func(a, b Rating) bool { return a.Unit == b.Unit })
			sum := 0.0
			for _, r := range rest[:k] {
				sum += r.Value
				judges[r.Judge] = true
			}
			m.Mean += sum / float64(k)
			if v := rest[0].Adjudicated; v != nil {
				settled, any = settled+*v, true
			} else {
				settled += sum / float64(k)
			}
			rest = rest[k:]
		}
		m.Mean /= float64(units)
		if any {
			settled /= float64(units)
			m.Adjudicated = &settled
		}
		m.Judges = len(judges)
		means = append(means, m)
		list = list[n:]
	}
	return means
}

// run counts how many elements at the start belong to the first.
func run[T any](list []T, same func(a, b T) bool) int {
	n := 1
	for n < len(list) && same(list[0], list[n]) {
		n++
	}
	return n
}

// InteractionsOf returns the recorded interactions of couples with their clips, in natural order of their codes;
// couples without any are left out.
func (v View) InteractionsOf(ctx context.Context, couples []CoupleID) (map[CoupleID][]Interaction, error) {
	byKey := map[string]CoupleID{}
	for _, id := range couples {
		byKey[string(coupleKey(id.Study, id.Couple))] = id
	}
	found := map[CoupleID][]Interaction{}
	clips := map[CoupleID]map[string][]Clip{}
	err := inParts(coupleKeys(couples), func(part []string) error {
		condition, width := among("couple_key", 2, len(part))
		args := fill(nil, asBytes(part), width)
		err := v.read(ctx, "the clips", `SELECT couple_key, code, interaction, start_ms, end_ms, from_position FROM {clip} WHERE from_position <= $1 AND `+condition, args,
			func(scan scanner) error {
				var k []byte
				var c Clip
				var interaction string
				if err := scan(&k, &c.Clip, &interaction, &c.StartMs, &c.EndMs, &c.Position); err != nil {
					return err
				}
				id := byKey[string(k)]
				if clips[id] == nil {
					clips[id] = map[string][]Clip{}
				}
				clips[id][interaction] = append(clips[id][interaction], c)
				return nil
			})
		if err != nil {
			return err
		}
		return v.read(ctx, "the interactions", `SELECT couple_key, code, task, wave, duration_ms, held_at, from_position FROM {interaction} WHERE from_position <= $1 AND `+condition, args,
			func(scan scanner) error {
				var k []byte
				var i Interaction
				var held int64
				if err := scan(&k, &i.Interaction, &i.Task, &i.Wave, &i.DurationMs, &held, &i.Position); err != nil {
					return err
				}
				i.CoupleID, i.HeldAt = byKey[string(k)], timeOf(held)
				i.Clips = clips[i.CoupleID][i.Interaction]
				slices.SortFunc(i.Clips, func(a, b Clip) int { return frame.Natural(a.Clip, b.Clip) })
				found[i.CoupleID] = append(found[i.CoupleID], i)
				return nil
			})
	})
	for _, list := range found {
		slices.SortFunc(list, func(a, b Interaction) int { return frame.Natural(a.Interaction, b.Interaction) })
	}
	return found, err
}

// RatingReliability says how reliable the judges' means of a dimension are, which analyses take as a predictor.
type RatingReliability struct {
	Scheme    string
	Dimension string
	Places    int // of a clip and what it is rated in: whose behaviour, which interval
	Judges    int
	// Single is ICC(2,1), of one judge's rating as it stands; Mean is G(q,k), of the mean of those who rated a place (Putka, Le, McCloy & Diaz 2008).
	// Nil where the ratings cannot tell: Reason says why.
	Single, Mean *float64
	Reason       string
}

// ReliabilityOfRatings returns the reliability of the judges' means for each scheme and dimension, from variance components by restricted maximum
// likelihood; see [agreement.IncompleteICCOf]. Ratings must be in the order of [View.Ratings]; the result is in natural order of scheme and dimension.
// Of events and turns, which every judge finds for oneself, there is none.
func ReliabilityOfRatings(ctx context.Context, p domain.Protocol, list []Rating) ([]RatingReliability, error) {
	type key struct{ scheme, dimension string }
	byKey, seen := map[key][]agreement.Rating{}, map[[4]string]bool{}
	for _, r := range list {
		place := fmt.Sprintf("%s/%s/%s/%d", r.Couple, r.Clip, r.Target, r.Unit)
		k := key{r.Scheme, r.Dimension}
		twice := [4]string{k.scheme, k.dimension, place, r.Judge}
		if seen[twice] {
			continue // rated outside and inside asem: the first counts
		}
		seen[twice] = true
		byKey[k] = append(byKey[k], agreement.Rating{Clip: place, Judge: r.Judge, Value: r.Value})
	}
	var out []RatingReliability
	for k, ratings := range byKey {
		if s, ok := p.Scheme(k.scheme); ok && (s.Unit == domain.UnitEvent || s.Unit == domain.UnitTurn) {
			continue
		}
		t, err := agreement.NewTable(ratings)
		if err != nil {
			return nil, fmt.Errorf("the reliability of %s: %w", k.dimension, err)
		}
		r := RatingReliability{Scheme: k.scheme, Dimension: k.dimension, Places: len(t.Clips()), Judges: len(t.Judges())}
		icc, err := agreement.IncompleteICCOf(ctx, t, nil)
		switch {
		case errors.Is(err, agreement.ErrNotEstimable):
			r.Reason = err.Error()
		case err != nil:
			return nil, fmt.Errorf("the reliability of %s: %w", k.dimension, err)
		default:
			for _, of := range []struct {
				at   int
				into **float64
			}{{1, &r.Single}, {6, &r.Mean}} {
				if c := icc.Coefficients[of.at]; c.Err == nil {
					*of.into = &c.Value
				} else {
					r.Reason = c.Err.Error()
				}
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b RatingReliability) int {
		return firstOf(frame.Natural(a.Scheme, b.Scheme), frame.Natural(a.Dimension, b.Dimension))
	})
	return out, nil
}
