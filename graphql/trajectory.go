package graphql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// series is a trajectory as it stood at a position.
type series struct {
	projections.Trajectory
	view  projections.View
	waves string // the waves it was narrowed to, as "1,3"; empty if it was not
}

// inSeries is a point of a series.
type inSeries struct {
	study string
	score projections.Score
}

var scoreStatus = enum("ScoreStatus", "How a score came about, or why there is none.", map[string]domain.ScoreStatus{
	"SCORED": domain.Scored, "PRORATED": domain.Prorated, "TOO_MANY_MISSING": domain.TooManyMissing, "NOT_APPLICABLE": domain.NotApplicable,
}, map[string]string{
	"SCORED": "From every item.", "PRORATED": "A few items were missing; the person's mean stands for them.",
	"TOO_MANY_MISSING": "The missing rule allows no score.", "NOT_APPLICABLE": "No item applies.",
})

func newTrajectoryTypes(s *schema) {
	staff := ownStudyStaff
	p := newObject("TrajectoryPoint", "A score.", func(p inSeries) string { return p.study })
	p.value(&s.rules, "wave", nonNull(intType), "Index of the wave.", staff, func(p inSeries) any { return p.score.Wave })
	p.value(&s.rules, "measuredAt", dateTimeType, "When it was measured.", staff, func(p inSeries) any { return p.score.MeasuredAt })
	p.value(&s.rules, "value", floatType, "The score; null if status says that there is none.", staff, func(p inSeries) any { return p.score.Value })
	p.value(&s.rules, "status", nonNull(scoreStatus), "How it came about.", staff, func(p inSeries) any { return p.score.Status })
	p.value(&s.rules, "reason", gql.String, "Why there is no value, in words.", staff, func(p inSeries) any { return orNull(p.score.Reason) })
	p.value(&s.rules, "itemsAnswered", intType, "Of the scale's items; null if recorded as a score.", staff, func(p inSeries) any {
		if p.score.Instrument == "" {
			return nil
		}
		return p.score.ItemsAnswered
	})
	p.value(&s.rules, "keyVersion", gql.String, "Scoring key used; null if recorded as a score.", staff, func(p inSeries) any { return orNull(p.score.KeyVersion) })
	p.value(&s.rules, "position", nonNull(positionType), "Position of the event the value comes from.", staff, func(p inSeries) any { return p.score.Position })

	s.trajectory = newObject("Trajectory", "A person's course on one construct, by wave.", func(t series) string { return t.Study }, s.node)
	t := s.trajectory
	t.value(&s.rules, "id", nonNull(gql.ID), "Names person, construct, position and waves: the same id is the same series for ever.", staff, func(t series) any {
		return globalID("trajectory", t.Study, t.Couple, string(t.Role), t.Construct, strconv.FormatInt(int64(t.view.Position()), 10), t.waves)
	})
	t.field(&s.rules, "participant", nonNull(s.participant.typ), "Whose course.", staff, nil, func(ctx context.Context, t series, _ arguments) (any, error) {
		load := stateOf(ctx).loadersAt(ctx, t.view).couple.load(projections.CoupleID{Study: t.Study, Couple: t.Couple})
		return thunk(func() (any, error) {
			c, _, err := load()
			who, ok := (couple{c, t.view}).partner(t.Role)
			if err == nil && !ok {
				err = absent("participant")
			}
			return who, err
		}), nil
	})
	t.value(&s.rules, "couple", nonNull(gql.String), "Code of the couple.", staff, func(t series) any { return t.Couple })
	t.value(&s.rules, "role", nonNull(partnerRole), "Role of the person.", staff, func(t series) any { return t.Role })
	t.value(&s.rules, "construct", nonNull(gql.String), "Code of the construct.", staff, func(t series) any { return t.Construct })
	t.value(&s.rules, "asOf", nonNull(positionType), "Position of the log it stands on.", staff, func(t series) any { return t.view.Position() })
	t.value(&s.rules, "count", nonNull(intType), "How many scores.", staff, func(t series) any { return len(t.Scores) })
	t.value(&s.rules, "wave", nonNull(floatSeriesType), "Wave of each score.", staff, func(t series) any {
		return column(t, func(s projections.Score) float64 { return float64(s.Wave) })
	})
	t.value(&s.rules, "value", nonNull(floatSeriesType), "Each score; null where there is none.", staff, func(t series) any { return column(t, scoreValue) })
	t.value(&s.rules, "measuredAt", nonNull(dateTimeSeriesType), "When each was measured.", staff, func(t series) any {
		out := make([]time.Time, len(t.Scores))
		for i, s := range t.Scores {
			out[i] = s.MeasuredAt
		}
		return out
	})
	t.value(&s.rules, "points", listOf(p.typ), "The scores as rows.", staff, func(t series) any {
		out := make([]any, len(t.Scores))
		for i, s := range t.Scores {
			out[i] = inSeries{t.Study, s}
		}
		return out
	})
	t.value(&s.rules, "seriesHash", nonNull(hashType), "SHA-256 of waves and values: equal series have equal hashes.", staff, func(t series) any {
		h := sha256.New()
		for _, s := range t.Scores {
			fmt.Fprintf(h, "%d %x\n", s.Wave, math.Float64bits(scoreValue(s)))
		}
		return hex.EncodeToString(h.Sum(nil))
	})

	s.participant.field(&s.rules, "trajectory", s.trajectory.typ, "The person's course on a construct; null if nothing was measured.", staff,
		gql.FieldConfigArgument{"construct": {Type: nonNull(gql.String)}, "asOf": {Type: asOfType}}, func(ctx context.Context, p person, a arguments) (any, error) {
			view, err := viewAt(ctx, a, p.view)
			if err != nil {
				return nil, err
			}
			load := stateOf(ctx).loadersAt(ctx, view).series.load(projections.SeriesID{PersonID: p.PersonID, Construct: get[string](a, "construct")})
			return thunk(func() (any, error) {
				t, ok, err := load()
				if err != nil || !ok {
					return nil, err
				}
				return series{t, view, ""}, nil
			}), nil
		})
}

func column(t series, of func(projections.Score) float64) []float64 {
	out := make([]float64, len(t.Scores))
	for i, s := range t.Scores {
		out[i] = of(s)
	}
	return out
}

func scoreValue(s projections.Score) float64 {
	if s.Value == nil {
		return math.NaN()
	}
	return *s.Value
}

func (s *schema) trajectoryFields(q *object[root]) {
	trajectories := newConnection[series](s, s.trajectory.typ)
	input := gql.NewInputObject(gql.InputObjectConfig{Name: "TrajectoriesInput", Description: "Which trajectories.", Fields: gql.InputObjectConfigFieldMap{
		"study":      {Type: nonNull(gql.String), Description: "Code of the study."},
		"constructs": {Type: gql.NewList(nonNull(gql.String)), Description: "Codes of constructs; all if not given."},
		"couples":    {Type: gql.NewList(nonNull(gql.String)), Description: "Codes of couples; all if not given."},
		"roles":      {Type: gql.NewList(nonNull(partnerRole)), Description: "Roles; both if not given."},
		"waves":      {Type: gql.NewList(nonNull(intType)), Description: "Indices of waves; all if not given."},
		"asOf":       {Type: asOfType, Description: "Moment of the log; now if not given."},
	}})
	q.field(&s.rules, "trajectories", nonNull(trajectories.typ), "Trajectories of a study, by couple, role and construct.", anybody,
		pageArgs(gql.FieldConfigArgument{"input": {Type: nonNull(input)}}), func(ctx context.Context, _ root, a arguments) (any, error) {
			page, err := pageOf(a)
			if err != nil {
				return nil, err
			}
			in := arguments(get[map[string]any](a, "input"))
			study, view, err := studyAt(ctx, in)
			if err != nil {
				return nil, err
			}
			found, err := view.Trajectories(ctx, study.Code, projections.TrajectoryFilter{Constructs: list[string](in, "constructs"), Couples: list[string](in, "couples"),
				Roles: list[domain.Role](in, "roles"), Waves: list[int](in, "waves")}, page)
			if err != nil {
				return nil, err
			}
			waves := strings.Trim(strings.ReplaceAll(fmt.Sprint(list[int](in, "waves")), " ", ","), "[]")
			items := make([]series, len(found.Items))
			for i, t := range found.Items {
				items[i] = series{t, view, waves}
			}
			return connection[series]{Slice: withItems(found, items),
				cursor: func(t series) string { return t.Cursor() }, asOf: view.Position(), study: study.Code}, nil
		})
}

func findSeries(ctx context.Context, id string) (any, error) {
	parts, err := readID(id, "trajectory", 6)
	if err != nil {
		return nil, err
	}
	st := stateOf(ctx)
	if !ownStudyStaff.allow(st.viewer, parts[0]) {
		return nil, absent("trajectory")
	}
	at, ok := positionType.ParseValue(parts[4]).(projections.Position)
	if !ok || at == 0 {
		return nil, absent("trajectory")
	}
	view, err := st.store.View(ctx, projections.AsOf{Position: at})
	if err != nil {
		return nil, absent("trajectory")
	}
	filter := projections.TrajectoryFilter{Couples: parts[1:2], Roles: []domain.Role{domain.Role(parts[2])}, Constructs: parts[3:4]}
	for _, w := range strings.FieldsFunc(parts[5], func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(w)
		if err != nil {
			return nil, absent("trajectory")
		}
		filter.Waves = append(filter.Waves, n)
	}
	found, err := view.Trajectories(ctx, parts[0], filter, projections.Page{First: 1})
	if err != nil {
		return nil, err
	}
	if len(found.Items) == 0 {
		return nil, absent("trajectory")
	}
	return series{found.Items[0], view, parts[5]}, nil
}
