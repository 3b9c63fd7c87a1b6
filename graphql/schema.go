package graphql

import (
	"context"
	"time"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// schema holds the types while they are built: they refer to each other.
type schema struct {
	rules       rules
	node        *gql.Interface
	pageInfo    *object[pageInfo]
	study       *object[projections.Study]
	couple      *object[couple]
	participant *object[person]
	trajectory  *object[series]
	model       *object[changeModel]
}

// root is the value that queries start from.
type root struct{}

func newSchema() (gql.Schema, error) {
	s, err := build()
	if err != nil {
		return gql.Schema{}, err
	}
	return s.gql, nil
}

type built struct {
	gql   gql.Schema
	rules []rule
}

func build() (built, error) {
	s := &schema{}
	s.node = gql.NewInterface(gql.InterfaceConfig{Name: "Node", Description: "Something with an id.", Fields: gql.Fields{
		"id": &gql.Field{Type: nonNull(gql.ID), Description: "Opaque; the same for the same thing."},
	}})
	newPageInfo(s)
	newStudyTypes(s)
	newCoupleTypes(s)
	newTrajectoryTypes(s)
	newChangeModelTypes(s)
	s.liveModelFields()
	query := newObject("Query", "What can be read.", func(root) string { return "" })
	s.viewerFields(query)
	s.studyFields(query)
	s.trajectoryFields(query)
	s.changeModelFields(query)
	s.nodeFields(query)
	query.typ.IsTypeOf = nil
	schema, err := gql.NewSchema(gql.SchemaConfig{Query: query.typ, Types: []gql.Type{s.study.typ, s.couple.typ, s.participant.typ, s.trajectory.typ}})
	return built{schema, s.rules.sorted()}, err
}

// resolve finds the thing that an id names.
func resolveNode(ctx context.Context, id string) (any, error) {
	switch kindOf(id) {
	case "study":
		return findStudy(ctx, id)
	case "couple":
		return findCouple(ctx, id)
	case "participant":
		return findPerson(ctx, id)
	case "trajectory":
		return findSeries(ctx, id)
	}
	return nil, absent("node")
}

func (s *schema) nodeFields(q *object[root]) {
	// An id that names nothing, or nothing that the viewer may know of, is null.
	find := func(ctx context.Context, id string) (any, error) {
		return orAbsent(resolveNode(ctx, id))
	}
	q.field(&s.rules, "node", s.node, "The thing with an id.", anybody, gql.FieldConfigArgument{"id": {Type: nonNull(gql.ID)}}, func(ctx context.Context, _ root, a arguments) (any, error) {
		return find(ctx, get[string](a, "id"))
	})
	q.field(&s.rules, "nodes", nonNull(gql.NewList(s.node)), "The things with these ids, 100 at most, null for what is not there.", anybody,
		gql.FieldConfigArgument{"ids": {Type: listOf(gql.ID)}}, func(ctx context.Context, _ root, a arguments) (any, error) {
			ids := list[string](a, "ids")
			if len(ids) > maxPage {
				return nil, &domain.Error{Code: domain.Invalid, Path: "ids", Message: "more than 100 ids"}
			}
			out := make([]any, len(ids))
			for i, id := range ids {
				v, err := find(ctx, id)
				if err != nil {
					return nil, err
				}
				out[i] = v
			}
			return out, nil
		})
}

func (s *schema) viewerFields(q *object[root]) {
	v := newObject("Viewer", "Who asks.", func(Viewer) string { return "" })
	v.value(&s.rules, "role", nonNull(gql.String), "In what capacity.", anybody, func(v Viewer) any { return string(v.Role) })
	v.value(&s.rules, "studies", listOf(gql.String), "Codes of the studies that the viewer may read.", anybody, func(v Viewer) any { return anyList(v.Studies) })
	q.field(&s.rules, "viewer", v.typ, "Who asks; null if nobody is signed in.", anybody, nil, func(ctx context.Context, _ root, _ arguments) (any, error) {
		if viewer := stateOf(ctx).viewer; viewer.SignedIn() {
			return viewer, nil
		}
		return nil, nil
	})
}

// orAbsent turns what is not found into null.
func orAbsent(v any, err error) (any, error) {
	if err != nil && domain.CodeOf(err) == domain.NotFound {
		return nil, nil //nolint:nilerr // null is the answer
	}
	return v, err
}

func timeArgument(a arguments, name string) (time.Time, bool) {
	t, ok := a[name].(time.Time)
	return t, ok
}
