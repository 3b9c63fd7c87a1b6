package projections

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxPage is the largest number of items that one page may have.
const MaxPage = 1000

// Page asks for a stretch of a list: the First items after After, or the Last items before Before. Exactly
// one of First and Last is above 0. After and Before are cursors of items seen earlier; both may be
// given, and then bound the list. They need not exist any more.
type Page struct {
	First, Last   int
	After, Before string
}

func (p Page) check() error {
	switch {
	case p.First < 0 || p.Last < 0 || (p.First == 0) == (p.Last == 0):
		return invalid("first", "a page has the first or the last so many items; expected exactly one of first and last, above 0")
	case p.First > MaxPage || p.Last > MaxPage:
		return invalid("first", "a page of %d items; expected at most %d", max(p.First, p.Last), MaxPage)
	}
	return nil
}

// Slice is a page of a list.
type Slice[T any] struct {
	Items       []T // in the order of the list, whichever end was asked for
	HasNext     bool
	HasPrevious bool
	Total       int // items of the whole list
}

// bounds gives the keys between which a page lies, exclusively, within the keys that begin with all. A cursor names
// an item below all.
func (p Page) bounds(all key, of func(cursor string) (key, error)) (low, high key, err error) {
	low, high = all, all.end()
	if p.After != "" {
		k, err := of(p.After)
		if err != nil {
			return nil, nil, err
		}
		low = k
	}
	if p.Before != "" {
		if high, err = of(p.Before); err != nil {
			return nil, nil, err
		}
	}
	return low, high, nil
}

// order and limit of the statement that reads a page and one item more.
func (p Page) order() (direction string, limit int) {
	if p.Last > 0 {
		return "DESC", p.Last + 1
	}
	return "ASC", p.First + 1
}

// slice makes the page of what was read: up to one more item than asked for, in the order asked for.
func slice[T any](p Page, read []T, total int) Slice[T] {
	_, limit := p.order()
	more := len(read) == limit
	if more {
		read = read[:limit-1]
	}
	if p.Last > 0 {
		slices.Reverse(read)
		return Slice[T]{Items: read, HasPrevious: more, HasNext: p.Before != "", Total: total}
	}
	return Slice[T]{Items: read, HasNext: more, HasPrevious: p.After != "", Total: total}
}

// among returns the condition that a column is one of n values, whose parameters begin with number first, and
// how many parameters it has: the next power of two, so that few statements serve all n. fill pads the values.
func among(column string, first, n int) (condition string, width int) {
	for width = 1; width < n; width *= 2 {
	}
	var b strings.Builder
	b.WriteString(column + " IN (")
	for i := range width {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	b.WriteByte(')')
	return b.String(), width
}

// fill appends values to the parameters and repeats the last up to width.
func fill[T any](params []any, values []T, width int) []any {
	for i := range width {
		params = append(params, values[min(i, len(values)-1)])
	}
	return params
}

// maxAmong bounds how many keys one statement asks for; longer lists are read in parts.
const maxAmong = 1024

// inParts calls f with at most maxAmong of the keys at a time, sorted and without repeats.
func inParts[K cmp.Ordered](keys []K, f func(part []K) error) error {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for part := range slices.Chunk(keys, maxAmong) {
		if err := f(part); err != nil {
			return err
		}
	}
	return nil
}
