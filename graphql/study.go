package graphql

import (
	"context"
	"slices"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// inStudy is a part of a study that has no identity of its own.
type inStudy[T any] struct {
	study string
	of    T
}

func within[T any](study string, items []T) []any {
	out := make([]any, len(items))
	for i, x := range items {
		out[i] = inStudy[T]{study, x}
	}
	return out
}

func newPart[T any](name, description string) *object[inStudy[T]] {
	return newObject(name, description, func(p inStudy[T]) string { return p.study })
}

func newStudyTypes(s *schema) {
	s.study = newObject("Study", "An investigation: its plan and what came of it.", func(v projections.Study) string { return v.Code }, s.node)
	staff := ownStudyStaff

	role := newPart[domain.RoleLabel]("Role", "A place in the couple.")
	role.value(&s.rules, "role", nonNull(gql.String), "A or B.", staff, func(p inStudy[domain.RoleLabel]) any { return string(p.of.Role) })
	role.value(&s.rules, "label", nonNull(gql.String), "The study's word for it.", staff, func(p inStudy[domain.RoleLabel]) any { return p.of.Label })

	wave := newPart[domain.Wave]("Wave", "A measurement of both partners.")
	wave.value(&s.rules, "index", nonNull(intType), "From 1.", staff, func(p inStudy[domain.Wave]) any { return p.of.Index })
	wave.value(&s.rules, "label", gql.String, "What the study calls it.", staff, func(p inStudy[domain.Wave]) any { return orNull(p.of.Label) })
	wave.value(&s.rules, "months", nonNull(floatType), "Months from enrolment.", staff, func(p inStudy[domain.Wave]) any { return p.of.Month })
	wave.value(&s.rules, "instruments", listOf(gql.String), "What is asked, as code@version.", staff, func(p inStudy[domain.Wave]) any {
		out := make([]any, len(p.of.Instruments))
		for i, r := range p.of.Instruments {
			out[i] = r.String()
		}
		return out
	})

	construct := newPart[domain.Construct]("Construct", "Something measured.")
	construct.value(&s.rules, "code", nonNull(gql.String), "Its name in data.", staff, func(p inStudy[domain.Construct]) any { return p.of.Code })
	construct.value(&s.rules, "title", gql.String, "In words.", staff, func(p inStudy[domain.Construct]) any { return orNull(p.of.Title) })
	construct.value(&s.rules, "minimum", floatType, "The smallest value it can have; null if not bounded.", staff, func(p inStudy[domain.Construct]) any { return p.of.Min })
	construct.value(&s.rules, "maximum", floatType, "The largest value it can have; null if not bounded.", staff, func(p inStudy[domain.Construct]) any { return p.of.Max })
	construct.value(&s.rules, "higherIs", gql.String, "What a higher value means.", staff, func(p inStudy[domain.Construct]) any { return orNull(p.of.HigherIs) })

	effect := newPart[domain.TrueEffect]("TrueEffect", "An effect that a simulator put into synthetic data.")
	effect.value(&s.rules, "outcome", nonNull(gql.String), "What it acts on.", staff, func(p inStudy[domain.TrueEffect]) any { return p.of.Outcome })
	effect.value(&s.rules, "predictor", nonNull(gql.String), "What acts.", staff, func(p inStudy[domain.TrueEffect]) any { return p.of.Predictor })
	effect.value(&s.rules, "path", nonNull(gql.String), "actor or partner.", staff, func(p inStudy[domain.TrueEffect]) any { return p.of.Path })
	effect.value(&s.rules, "value", nonNull(floatType), "Its size.", staff, func(p inStudy[domain.TrueEffect]) any { return p.of.Value })

	o := s.study
	o.value(&s.rules, "id", nonNull(gql.ID), "Opaque.", staff, func(v projections.Study) any { return globalID("study", v.Code) })
	o.value(&s.rules, "code", nonNull(gql.String), "The study's short name.", staff, func(v projections.Study) any { return v.Code })
	o.value(&s.rules, "title", nonNull(gql.String), "In words.", staff, func(v projections.Study) any { return v.Title })
	o.value(&s.rules, "timeZone", nonNull(gql.String), "Of the study's site.", staff, func(v projections.Study) any { return v.Zone })
	o.value(&s.rules, "synthetic", nonNull(gql.Boolean), "Whether a program made the data.", staff, func(v projections.Study) any { return v.Synthetic() })
	o.value(&s.rules, "trueEffects", listOf(effect.typ), "What the simulator put in; empty for real data.", staff, func(v projections.Study) any {
		if v.Simulation == nil {
			return []any{}
		}
		return within(v.Code, v.Simulation.Effects)
	})
	o.value(&s.rules, "exchangeable", nonNull(gql.Boolean), "Whether partners are interchangeable.", staff, func(v projections.Study) any { return v.Protocol.Exchangeable })
	o.value(&s.rules, "roles", listOf(role.typ), "The places in a couple.", staff, func(v projections.Study) any { return within(v.Code, v.Protocol.Roles) })
	o.value(&s.rules, "waves", listOf(wave.typ), "The measurements of the protocol in force.", staff, func(v projections.Study) any { return within(v.Code, v.Protocol.Waves) })
	o.value(&s.rules, "constructs", listOf(construct.typ), "What is measured.", staff, func(v projections.Study) any { return within(v.Code, v.StudyConstructs()) })
	o.field(&s.rules, "headPosition", nonNull(positionType), "The position of the log that this answer stands on.", staff, nil, func(ctx context.Context, _ projections.Study, _ arguments) (any, error) {
		return stateOf(ctx).now.Position(), nil
	})
	s.complianceFields()
	s.reliabilityFields()
	s.proofFields()
}

// waveCount and diaryCount are rows of a study's compliance.
type (
	waveCount  = inStudy[projections.WaveCompliance]
	diaryCount = inStudy[projections.DiaryCompliance]
)

func (s *schema) complianceFields() {
	staff := ownStudyStaff
	counts := newPart[projections.Counts]("Counts", "How many of what was asked came back.")
	for _, f := range []struct {
		name, description string
		of                func(projections.Counts) int
	}{
		{"expected", "Asked for so far.", func(c projections.Counts) int { return c.Expected }},
		{"received", "Answered.", func(c projections.Counts) int { return c.Received }},
		{"onTime", "Answered within the window.", func(c projections.Counts) int { return c.OnTime }},
		{"late", "Answered within the grace.", func(c projections.Counts) int { return c.Late }},
		{"unrecorded", "Answered at a time that was not recorded.", func(c projections.Counts) int { return c.Unrecorded }},
		{"missed", "Closed without an answer.", func(c projections.Counts) int { return c.Missed }},
	} {
		counts.value(&s.rules, f.name, nonNull(intType), f.description, staff, func(p inStudy[projections.Counts]) any { return f.of(p.of) })
	}
	counts.value(&s.rules, "rate", floatType, "Share of what was asked that was answered; null before anything was.", staff, func(p inStudy[projections.Counts]) any {
		if r, ok := p.of.Rate(); ok {
			return r
		}
		return nil
	})
	wave := newPart[projections.WaveCompliance]("WaveCompliance", "Who answered a wave.")
	wave.value(&s.rules, "wave", nonNull(intType), "Index of the wave.", staff, func(p waveCount) any { return p.of.Wave })
	wave.value(&s.rules, "role", nonNull(gql.String), "A or B.", staff, func(p waveCount) any { return string(p.of.Role) })
	wave.value(&s.rules, "counts", nonNull(counts.typ), "How many.", staff, func(p waveCount) any { return inStudy[projections.Counts]{p.study, p.of.Counts} })
	diary := newPart[projections.DiaryCompliance]("DiaryCompliance", "Who answered a diary day.")
	diary.value(&s.rules, "burst", nonNull(gql.String), "Code of the diary.", staff, func(p diaryCount) any { return p.of.Burst })
	diary.value(&s.rules, "day", nonNull(intType), "Day of the diary, from 1.", staff, func(p diaryCount) any { return p.of.Day })
	diary.value(&s.rules, "role", nonNull(gql.String), "A or B.", staff, func(p diaryCount) any { return string(p.of.Role) })
	diary.value(&s.rules, "counts", nonNull(counts.typ), "How many.", staff, func(p diaryCount) any { return inStudy[projections.Counts]{p.study, p.of.Counts} })
	compliance := newPart[projections.Compliance]("Compliance", "Who answered what was asked.")
	compliance.value(&s.rules, "waves", listOf(wave.typ), "By wave and role.", staff, func(p inStudy[projections.Compliance]) any { return within(p.study, p.of.Waves) })
	compliance.value(&s.rules, "diaries", listOf(diary.typ), "By diary day and role.", staff, func(p inStudy[projections.Compliance]) any { return within(p.study, p.of.Diaries) })
	s.study.field(&s.rules, "compliance", nonNull(compliance.typ), "Who answered what was asked, over all couples.", staff, gql.FieldConfigArgument{"asOf": {Type: asOfType}},
		func(ctx context.Context, v projections.Study, a arguments) (any, error) {
			view, err := viewAt(ctx, a, stateOf(ctx).now)
			if err != nil {
				return nil, err
			}
			c, err := view.Compliance(ctx, v.Code)
			return inStudy[projections.Compliance]{v.Code, c}, err
		})
}

func findStudy(ctx context.Context, id string) (any, error) {
	parts, err := readID(id, "study", 1)
	if err != nil {
		return nil, err
	}
	return stateOf(ctx).studyOf(ctx, parts[0])
}

func (s *schema) studyFields(q *object[root]) {
	q.field(&s.rules, "study", s.study.typ, "A study by its id or its code; null if there is none that the viewer may see.", anybody,
		gql.FieldConfigArgument{"id": {Type: gql.ID}, "code": {Type: gql.String}}, func(ctx context.Context, _ root, a arguments) (any, error) {
			id, code := get[string](a, "id"), get[string](a, "code")
			if (id == "") == (code == "") {
				return nil, &domain.Error{Code: domain.Invalid, Path: "id", Message: "expected exactly one of id and code"}
			}
			if id != "" {
				return orAbsent(findStudy(ctx, id))
			}
			return orAbsent(stateOf(ctx).studyOf(ctx, code))
		})
	studies := newConnection[projections.Study](s, s.study.typ)
	q.field(&s.rules, "studies", nonNull(studies.typ), "The studies that the viewer may see, by code.", anybody, pageArgs(nil), func(ctx context.Context, _ root, a arguments) (any, error) {
		page, err := pageOf(a)
		if err != nil {
			return nil, err
		}
		st := stateOf(ctx)
		var codes []string
		for _, c := range st.viewer.Studies {
			if ownStudyStaff.allow(st.viewer, c) {
				codes = append(codes, c)
			}
		}
		found, err := st.now.StudiesByCode(ctx, codes)
		if err != nil {
			return nil, err
		}
		var all []projections.Study
		for _, v := range found {
			all = append(all, v)
		}
		slices.SortFunc(all, func(a, b projections.Study) int { return compareCodes(a.Code, b.Code) })
		return connection[projections.Study]{Slice: cut(all, page, func(v projections.Study) string { return v.Code }), cursor: func(v projections.Study) string { return v.Code }, asOf: st.now.Position()}, nil
	})
}

func compareCodes(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// cut takes a page out of a short list that is there as a whole.
func cut[T any](all []T, p projections.Page, key func(T) string) projections.Slice[T] {
	lo, hi := 0, len(all)
	for i, x := range all {
		if p.After != "" && compareCodes(key(x), p.After) <= 0 {
			lo = i + 1
		}
		if p.Before != "" && compareCodes(key(x), p.Before) >= 0 && i < hi {
			hi = i
		}
	}
	hi = max(lo, hi)
	switch {
	case p.First > 0 && hi-lo > p.First:
		hi = lo + p.First
	case p.Last > 0 && hi-lo > p.Last:
		lo = hi - p.Last
	}
	return projections.Slice[T]{Items: all[lo:hi], HasNext: hi < len(all), HasPrevious: lo > 0, Total: len(all)}
}
