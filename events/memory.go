package events

import (
	"maps"
	"time"
)

// memory is what a committer knows of the end of the log since its last transaction. It is right as long as nobody else has
// written, and whether that is so a backend finds out at no cost while it stores: the next position is then taken.
type memory struct {
	right      bool
	head       Position
	recordedAt time.Time
	ahead      time.Duration // of the shared clock before that of this process
	versions   map[Stream]Version
	trees      map[string]*Tree
	misses     int // in a row
	rest       int // batches for which not to try again, after misses: another process writes much
}

// maxRemembered bounds the streams kept in mind.
const maxRemembered = 1 << 16

func (m *memory) forget() { m.right = false }

func (m *memory) missed() {
	m.misses = min(m.misses+1, 6)
	m.rest = 1<<m.misses - 1
	m.forget()
}

// recall returns what is known of everything that a batch is about, and false if that is not enough to judge it.
func (m *memory) recall(batch []*pending, now time.Time) (Known, bool) {
	if !m.right {
		return Known{}, false
	}
	if m.rest > 0 {
		m.rest--
		return Known{}, false
	}
	for _, p := range batch {
		for _, w := range p.append.Writes {
			if _, ok := m.versions[w.Stream]; !ok {
				return Known{}, false
			}
			for i := range w.Events {
				if study := w.Events[i].Study; study != "" && m.trees[study] == nil {
					return Known{}, false
				}
			}
		}
	}
	return Known{Head: m.head, RecordedAt: m.recordedAt, Now: now.Add(m.ahead), Versions: m.versions, Trees: m.trees}, true
}

// learn takes in what a transaction found.
func (m *memory) learn(k Known, ahead time.Duration) {
	if !m.right || m.head != k.Head || len(m.versions) > maxRemembered {
		m.versions, m.trees = map[Stream]Version{}, map[string]*Tree{}
	}
	m.right, m.head, m.recordedAt, m.ahead = true, k.Head, k.RecordedAt, ahead
	maps.Copy(m.versions, k.Versions)
	maps.Copy(m.trees, k.Trees)
}

// keep takes in what was stored.
func (m *memory) keep(j judgement) {
	m.head, m.recordedAt, m.misses = j.head, j.recordedAt, 0
	maps.Copy(m.versions, j.versions)
	maps.Copy(m.trees, j.trees)
}
