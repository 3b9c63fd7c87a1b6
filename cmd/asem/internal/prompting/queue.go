package prompting

import (
	"container/heap"
	"time"
)

// Couple names a couple of a study.
type Couple struct{ Study, Code string }

// queue holds couples by the time at which something is to be done for them; each once, at the earliest of the times it was put in with.
type queue struct {
	list []*waiting
	by   map[Couple]*waiting
}

type waiting struct {
	couple Couple
	at     time.Time
	place  int // in the list
}

func newQueue() *queue { return &queue{by: map[Couple]*waiting{}} }

// add puts a couple in, or brings it forward.
func (q *queue) add(c Couple, at time.Time) {
	w, ok := q.by[c]
	switch {
	case !ok:
		w = &waiting{couple: c, at: at}
		q.by[c] = w
		heap.Push(q, w)
	case at.Before(w.at):
		w.at = at
		heap.Fix(q, w.place)
	}
}

// first returns who is next, and when; false if nobody is.
func (q *queue) first() (Couple, time.Time, bool) {
	if len(q.list) == 0 {
		return Couple{}, time.Time{}, false
	}
	return q.list[0].couple, q.list[0].at, true
}

// take removes who is next.
func (q *queue) take() {
	delete(q.by, heap.Pop(q).(*waiting).couple)
}

// due counts those whose time has come.
func (q *queue) due(now time.Time) (n int) {
	for _, w := range q.list {
		if !w.at.After(now) {
			n++
		}
	}
	return n
}

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (q *queue) Len() int           { return len(q.list) }
func (q *queue) Less(i, j int) bool { return q.list[i].at.Before(q.list[j].at) }
func (q *queue) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].place, q.list[j].place = i, j
}

func (q *queue) Push(x any) {
	w := x.(*waiting)
	w.place = len(q.list)
	q.list = append(q.list, w)
}

func (q *queue) Pop() any {
	w := q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	return w
}
