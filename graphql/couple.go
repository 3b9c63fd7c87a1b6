package graphql

import (
	"context"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// couple and person are shown as they were at a view.
type (
	couple struct {
		projections.Couple
		view projections.View
	}
	person struct {
		projections.Participant
		view projections.View
	}
)

// partner returns who is in a role.
func (c couple) partner(r domain.Role) (person, bool) {
	p, ok := c.Participant(r)
	return person{p, c.view}, ok
}

func personID(p projections.PersonID) string {
	return globalID("participant", p.Study, p.Couple, string(p.Role))
}

func newCoupleTypes(s *schema) {
	staff := ownStudyStaff
	s.couple = newObject("Couple", "Two participants and what was observed of them.", func(c couple) string { return c.Study }, s.node)
	s.participant = newObject("Participant", "A person, known by a code. Names and addresses are not part of this API.", func(p person) string { return p.Study }, s.node)

	c := s.couple
	c.value(&s.rules, "id", nonNull(gql.ID), "Opaque.", staff, func(c couple) any { return globalID("couple", c.Study, c.CoupleID.Couple) })
	c.value(&s.rules, "code", nonNull(gql.String), "The couple's code in the study.", staff, func(c couple) any { return c.CoupleID.Couple })
	c.value(&s.rules, "enrolledOn", nonNull(dateType), "First day in the study.", staff, func(c couple) any { return c.EnrolledOn })
	c.value(&s.rules, "separatedOn", dateType, "Day of separation; null while together.", staff, func(c couple) any { return c.SeparatedOn })
	c.value(&s.rules, "partners", listOf(s.participant.typ), "Both participants, by role.", staff, func(c couple) any {
		out := make([]any, len(c.Participants))
		for i, p := range c.Participants {
			out[i] = person{p, c.view}
		}
		return out
	})
	roleArg := gql.FieldConfigArgument{"role": {Type: nonNull(partnerRole), Description: "A or B."}}
	c.field(&s.rules, "partner", s.participant.typ, "The participant in a role.", staff, roleArg, func(_ context.Context, c couple, a arguments) (any, error) {
		if p, ok := c.partner(get[domain.Role](a, "role")); ok {
			return p, nil
		}
		return nil, nil
	})
	c.value(&s.rules, "position", nonNull(positionType), "Position of the event that last changed the couple.", staff, func(c couple) any { return c.Since })
	s.ratingFields()

	p := s.participant
	p.value(&s.rules, "id", nonNull(gql.ID), "Opaque.", staff, func(p person) any { return personID(p.PersonID) })
	p.value(&s.rules, "code", nonNull(gql.String), "The participant's code.", staff, func(p person) any { return p.Code })
	p.value(&s.rules, "role", nonNull(partnerRole), "A or B.", staff, func(p person) any { return p.Role })
	p.field(&s.rules, "label", nonNull(gql.String), "The study's word for the role.", staff, nil, func(ctx context.Context, p person, _ arguments) (any, error) {
		study, err := stateOf(ctx).studyOf(ctx, p.Study)
		return study.Role(p.Role), err
	})
	p.value(&s.rules, "withdrawnOn", dateType, "Day of withdrawal; null while taking part.", staff, func(p person) any { return p.WithdrawnOn })
	p.field(&s.rules, "couple", nonNull(s.couple.typ), "The couple.", staff, nil, func(ctx context.Context, p person, _ arguments) (any, error) {
		load := stateOf(ctx).loadersAt(ctx, p.view).couple.load(projections.CoupleID{Study: p.Study, Couple: p.Couple})
		return thunk(func() (any, error) {
			c, ok, err := load()
			if err == nil && !ok {
				err = absent("couple")
			}
			return couple{c, p.view}, err
		}), nil
	})

	couples := newConnection[couple](s, s.couple.typ)
	s.study.field(&s.rules, "participant", s.participant.typ, "The participant with a code; null if there is none.", staff,
		gql.FieldConfigArgument{"code": {Type: nonNull(gql.String)}}, func(ctx context.Context, v projections.Study, a arguments) (any, error) {
			id, err := stateOf(ctx).now.PersonByCode(ctx, v.Code, get[string](a, "code"))
			if err != nil {
				return orAbsent(nil, err)
			}
			now := stateOf(ctx).now
			load := stateOf(ctx).loadersAt(ctx, now).couple.load(projections.CoupleID{Study: id.Study, Couple: id.Couple})
			return thunk(func() (any, error) {
				c, _, err := load()
				if p, ok := (couple{c, now}).partner(id.Role); ok && err == nil {
					return p, nil
				}
				return nil, err
			}), nil
		})
	filter := gql.NewInputObject(gql.InputObjectConfig{Name: "CoupleFilter", Description: "Narrows a list of couples.", Fields: gql.InputObjectConfigFieldMap{
		"enrolledFrom": {Type: dateType, Description: "Enrolled on this day or later."},
		"enrolledTo":   {Type: dateType, Description: "Enrolled on this day or earlier."},
		"separated":    {Type: gql.Boolean, Description: "Only couples that have, or have not, separated."},
		"withdrawn":    {Type: gql.Boolean, Description: "Only couples of whom somebody, or nobody, withdrew."},
	}})
	args := pageArgs(gql.FieldConfigArgument{"filter": {Type: filter}, "asOf": {Type: asOfType}})
	s.study.field(&s.rules, "couples", nonNull(couples.typ), "The couples, by code in natural order.", staff, args, func(ctx context.Context, v projections.Study, a arguments) (any, error) {
		page, err := pageOf(a)
		if err != nil {
			return nil, err
		}
		view, err := viewAt(ctx, a, stateOf(ctx).now)
		if err != nil {
			return nil, err
		}
		var f projections.CoupleFilter
		if in, ok := a["filter"].(map[string]any); ok {
			m := arguments(in)
			f.EnrolledFrom, f.EnrolledTo = get[domain.Date](m, "enrolledFrom"), get[domain.Date](m, "enrolledTo")
			f.Separated, f.Withdrawn = optional(m, "separated"), optional(m, "withdrawn")
		}
		found, err := view.Couples(ctx, v.Code, f, page)
		items := make([]couple, len(found.Items))
		for i, c := range found.Items {
			items[i] = couple{c, view}
		}
		return connection[couple]{Slice: withItems(found, items), cursor: func(c couple) string { return c.CoupleID.Couple }, asOf: view.Position(), study: v.Code}, err
	})
}

func optional(a arguments, name string) *bool {
	if v, ok := a[name].(bool); ok {
		return &v
	}
	return nil
}

var partnerRole = enum("PartnerRole", "A place in the couple. The study gives it a meaning, unless partners are exchangeable.",
	map[string]domain.Role{"A": domain.RoleA, "B": domain.RoleB}, nil)

// ratingFields declares what judges saw of a couple, as means over judges: single ratings are not shown.
func (s *schema) ratingFields() {
	staff := ownStudyStaff
	type mean = inStudy[projections.RatingMean]
	r := newPart[projections.RatingMean]("RatingMean", "What the judges of a clip saw together.")
	r.value(&s.rules, "wave", nonNull(intType), "Wave of the interaction.", staff, func(m mean) any { return m.of.Wave })
	r.value(&s.rules, "clip", nonNull(gql.String), "Code of the clip.", staff, func(m mean) any { return m.of.Clip })
	r.value(&s.rules, "scheme", nonNull(gql.String), "Coding scheme.", staff, func(m mean) any { return m.of.Scheme })
	r.value(&s.rules, "dimension", nonNull(gql.String), "What was rated.", staff, func(m mean) any { return m.of.Dimension })
	r.value(&s.rules, "target", partnerRole, "Whose behaviour; null if the dyad's.", staff, func(m mean) any {
		if m.of.Target == "" {
			return nil
		}
		return m.of.Target
	})
	r.value(&s.rules, "mean", floatType, "Mean over judges.", staff, func(m mean) any { return m.of.Mean })
	r.value(&s.rules, "adjudicated", floatType, "Mean with the values that were settled on in place of the judges' means; null where none was.", staff, func(m mean) any {
		if m.of.Adjudicated == nil {
			return nil
		}
		return *m.of.Adjudicated
	})
	r.value(&s.rules, "judges", nonNull(intType), "How many judges.", staff, func(m mean) any { return m.of.Judges })
	s.couple.field(&s.rules, "ratings", listOf(r.typ), "Judges' ratings of the couple's interactions, as means.", staff, nil, func(ctx context.Context, c couple, _ arguments) (any, error) {
		load := stateOf(ctx).loadersAt(ctx, c.view).rating.load(c.CoupleID)
		return thunk(func() (any, error) {
			ratings, _, err := load()
			return within(c.Study, projections.MeanRatings(ratings)), err
		}), nil
	})
}

// reliabilityFields declares how reliable the judges' means are.
func (s *schema) reliabilityFields() {
	staff := ownStudyStaff
	type reliability = inStudy[projections.RatingReliability]
	orNull := func(v *float64) any {
		if v == nil {
			return nil
		}
		return *v
	}
	r := newPart[projections.RatingReliability]("RatingReliability", "How reliable the judges' means of a dimension are.")
	r.value(&s.rules, "scheme", nonNull(gql.String), "Coding scheme.", staff, func(m reliability) any { return m.of.Scheme })
	r.value(&s.rules, "dimension", nonNull(gql.String), "What was rated.", staff, func(m reliability) any { return m.of.Dimension })
	r.value(&s.rules, "places", nonNull(intType), "How many places were rated: a clip, whose behaviour, which interval.", staff, func(m reliability) any { return m.of.Places })
	r.value(&s.rules, "judges", nonNull(intType), "How many judges.", staff, func(m reliability) any { return m.of.Judges })
	r.value(&s.rules, "single", floatType, "ICC(2,1): of one judge's rating. Null where the ratings cannot tell.", staff, func(m reliability) any { return orNull(m.of.Single) })
	r.value(&s.rules, "mean", floatType, "G(q,k): of the mean of those who rated a place. Null where the ratings cannot tell.", staff, func(m reliability) any { return orNull(m.of.Mean) })
	r.value(&s.rules, "reason", gql.String, "Why one is null.", staff, func(m reliability) any {
		if m.of.Reason == "" {
			return nil
		}
		return m.of.Reason
	})
	s.study.field(&s.rules, "ratingReliability", listOf(r.typ), "How reliable the judges' means are that analyses take as predictors, by scheme and dimension.", staff, gql.FieldConfigArgument{"asOf": {Type: asOfType}},
		func(ctx context.Context, v projections.Study, a arguments) (any, error) {
			view, err := viewAt(ctx, a, stateOf(ctx).now)
			if err != nil {
				return nil, err
			}
			ratings, err := view.Ratings(ctx, v.Code)
			if err != nil {
				return nil, err
			}
			list, err := projections.ReliabilityOfRatings(ctx, v.Protocol, ratings)
			return within(v.Code, list), err
		})
}

func findCouple(ctx context.Context, id string) (any, error) {
	parts, err := readID(id, "couple", 2)
	if err != nil {
		return nil, err
	}
	st := stateOf(ctx)
	if !ownStudyStaff.allow(st.viewer, parts[0]) {
		return nil, absent("couple")
	}
	c, err := st.now.Couple(ctx, projections.CoupleID{Study: parts[0], Couple: parts[1]})
	return couple{c, st.now}, err
}

func findPerson(ctx context.Context, id string) (any, error) {
	parts, err := readID(id, "participant", 3)
	if err != nil {
		return nil, err
	}
	st := stateOf(ctx)
	if !ownStudyStaff.allow(st.viewer, parts[0]) {
		return nil, absent("participant")
	}
	c, err := st.now.Couple(ctx, projections.CoupleID{Study: parts[0], Couple: parts[1]})
	if err != nil {
		return nil, err
	}
	p, ok := (couple{c, st.now}).partner(domain.Role(parts[2]))
	if !ok {
		return nil, absent("participant")
	}
	return p, nil
}
