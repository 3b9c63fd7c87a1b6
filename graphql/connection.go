package graphql

import (
	"context"
	"time"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// maxPage is the most items a page may have.
const maxPage = 100

// connection is a page of a list in Relay's form.
type connection[T any] struct {
	projections.Slice[T]
	cursor func(T) string
	asOf   projections.Position
	study  string
}

type edge[T any] struct {
	cursor string
	node   T
	study  string
}

// withItems is a page with its items as the schema shows them.
func withItems[T, U any](s projections.Slice[T], items []U) projections.Slice[U] {
	return projections.Slice[U]{Items: items, HasNext: s.HasNext, HasPrevious: s.HasPrevious, Total: s.Total}
}

type pageInfo struct {
	next, previous bool
	first, last    string
}

// pageArgs are the arguments of a connection, and more.
func pageArgs(more gql.FieldConfigArgument) gql.FieldConfigArgument {
	args := gql.FieldConfigArgument{
		"first":  {Type: intType, Description: "So many from the start, 1 to 100. Exactly one of first and last is needed."},
		"last":   {Type: intType, Description: "So many from the end, 1 to 100."},
		"after":  {Type: gql.String, Description: "Begin behind this cursor."},
		"before": {Type: gql.String, Description: "End before this cursor."},
	}
	for k, v := range more {
		args[k] = v
	}
	return args
}

func pageOf(a arguments) (projections.Page, error) {
	first, hasFirst := a["first"].(int)
	last, hasLast := a["last"].(int)
	n := first
	if hasLast {
		n = last
	}
	if hasFirst == hasLast || n < 1 || n > maxPage {
		return projections.Page{}, &domain.Error{Code: domain.Invalid, Path: "first", Message: "a page needs exactly one of first and last, from 1 to 100"}
	}
	after, err := decodeCursor("after", get[string](a, "after"))
	if err != nil {
		return projections.Page{}, err
	}
	before, err := decodeCursor("before", get[string](a, "before"))
	return projections.Page{First: first, Last: last, After: after, Before: before}, err
}

// newConnection declares the connection and edge types of a node type.
func newConnection[T any](s *schema, node *gql.Object) *object[connection[T]] {
	e := newObject(node.Name()+"Edge", "A "+node.Name()+" in a list.", func(e edge[T]) string { return e.study })
	e.value(&s.rules, "cursor", nonNull(gql.String), "Names the place in the list.", anybody, func(e edge[T]) any { return encodeCursor(e.cursor) })
	e.value(&s.rules, "node", nonNull(node), "The item.", anybody, func(e edge[T]) any { return e.node })
	c := newObject(node.Name()+"Connection", "A page of a list of "+node.Name()+".", func(c connection[T]) string { return c.study })
	c.value(&s.rules, "edges", listOf(e.typ), "The items with their cursors.", anybody, func(c connection[T]) any {
		out := make([]any, len(c.Items))
		for i, x := range c.Items {
			out[i] = edge[T]{c.cursor(x), x, c.study}
		}
		return out
	})
	c.value(&s.rules, "nodes", listOf(node), "The items.", anybody, func(c connection[T]) any { return anyList(c.Items) })
	c.value(&s.rules, "pageInfo", nonNull(s.pageInfo.typ), "Whether there is more.", anybody, func(c connection[T]) any {
		p := pageInfo{next: c.HasNext, previous: c.HasPrevious}
		if n := len(c.Items); n > 0 {
			p.first, p.last = encodeCursor(c.cursor(c.Items[0])), encodeCursor(c.cursor(c.Items[n-1]))
		}
		return p
	})
	c.value(&s.rules, "totalCount", nonNull(intType), "Items in the whole list.", anybody, func(c connection[T]) any { return c.Total })
	c.value(&s.rules, "asOf", nonNull(positionType), "The position of the log that the list stands on.", anybody, func(c connection[T]) any { return c.asOf })
	return c
}

func newPageInfo(s *schema) {
	p := newObject("PageInfo", "Where a page stands in its list.", func(pageInfo) string { return "" })
	p.value(&s.rules, "hasNextPage", nonNull(gql.Boolean), "Whether there are items behind the page.", anybody, func(p pageInfo) any { return p.next })
	p.value(&s.rules, "hasPreviousPage", nonNull(gql.Boolean), "Whether there are items before the page.", anybody, func(p pageInfo) any { return p.previous })
	p.value(&s.rules, "startCursor", gql.String, "Cursor of the first item.", anybody, func(p pageInfo) any { return orNull(p.first) })
	p.value(&s.rules, "endCursor", gql.String, "Cursor of the last item.", anybody, func(p pageInfo) any { return orNull(p.last) })
	s.pageInfo = p
}

// asOfType is the moment of the log at which something is read.
var asOfType = gql.NewInputObject(gql.InputObjectConfig{Name: "AsOf", Description: "A moment of the log. Give at most one field; neither means now.", Fields: gql.InputObjectConfigFieldMap{
	"position":   {Type: positionType, Description: "A position."},
	"recordedAt": {Type: dateTimeType, Description: "What had been recorded at this instant."},
}})

// viewAt returns the read models at the moment an argument names. If it was not given, that is the moment of what the field
// belongs to, so that an answer below a past moment does not mix two states.
func viewAt(ctx context.Context, a arguments, otherwise projections.View) (projections.View, error) {
	s := stateOf(ctx)
	in, ok := a["asOf"].(map[string]any)
	if !ok || len(in) == 0 {
		return otherwise, nil
	}
	m := arguments(in)
	asOf := projections.AsOf{}
	if p, given := m["position"].(projections.Position); given {
		if p == 0 {
			return projections.View{}, &domain.Error{Code: domain.Invalid, Path: "asOf", Message: "position 0 is before the first event; expected 1 or more"}
		}
		asOf.Position = p
	}
	if t, given := timeArgument(m, "recordedAt"); given {
		if asOf.RecordedAt = t; t.IsZero() { // the zero time means now below
			asOf.RecordedAt = t.Add(time.Nanosecond)
		}
	}
	return s.store.View(ctx, asOf)
}

// studyAt returns the study that an input names, and the read models at the moment it names.
func studyAt(ctx context.Context, in arguments) (projections.Study, projections.View, error) {
	study, err := stateOf(ctx).studyOf(ctx, get[string](in, "study"))
	if err != nil {
		return study, projections.View{}, err
	}
	view, err := viewAt(ctx, in, stateOf(ctx).now)
	return study, view, err
}
