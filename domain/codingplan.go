package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
)

// CodingPlan is what chance decides on: clips that still need judges, and the judges that there are.
type CodingPlan struct {
	Seed   uint64 // recorded; the same plan has the same outcome
	Judges []PlanJudge
	Clips  []PlanClip
}

// PlanJudge is a judge who may get clips.
type PlanJudge struct {
	Code   string
	Knows  []string // codes of couples
	Load   int      // clips that the judge has or had already
	Placed int      // highest place given so far
	Last   string   // couple of the clip at that place
}

// PlanClip is a clip that needs judges.
type PlanClip struct {
	Couple string
	Clip   string
	Judges int      // how many more it needs
	Has    []string // judges that have or had it
}

// PlannedClip is a clip given to a judge.
type PlannedClip struct {
	PlanClip
	Judge    string
	Place    int
	Mirrored bool
}

// Unplanned says that a clip gets fewer judges than it needs: the others know the couple or have the clip.
type Unplanned struct {
	Couple, Clip string
	Missing      int
}

// PlanCoding decides who codes what. It depends on the seed and on what there is, not on the order in which that is listed.
//
// No judge gets a clip twice or a clip of a couple that the judge knows. As many places are filled as can be, and judges' loads are as even as those rules
// allow: no clip could be moved, directly or along a chain of judges, from a judge to another who has two fewer (a balanced semi-matching;
// Harvey, Ladner, Lovász & Tamir, 2006, Journal of Algorithms 59, 53-78). Each judge goes through the clips in a random order of the judge's own, in which two clips of a
// couple do not follow each other if they can be kept apart, and sees half of them mirrored.
func PlanCoding(p CodingPlan) ([]PlannedClip, []Unplanned) {
	m := newMatching(p)
	m.fill()
	m.even()
	var short []Unplanned
	for i, c := range m.clips {
		if n := c.Judges - len(m.given[i]); n > 0 {
			short = append(short, Unplanned{c.Couple, c.Clip, n})
		}
	}
	return m.order(), short
}

// matching gives clips to judges, both by their place in sorted lists.
type matching struct {
	rng    *rand.Rand
	judges []PlanJudge
	clips  []PlanClip
	may    []map[int]bool // judges that a clip may have, by clip
	given  []map[int]bool // judges that a clip has got
	has    []map[int]bool // clips that a judge has got
}

func newMatching(p CodingPlan) *matching {
	m := &matching{judges: slices.Clone(p.Judges), clips: slices.Clone(p.Clips)}
	slices.SortFunc(m.judges, func(a, b PlanJudge) int { return cmp.Compare(a.Code, b.Code) })
	slices.SortFunc(m.clips, func(a, b PlanClip) int { return cmp.Or(cmp.Compare(a.Couple, b.Couple), cmp.Compare(a.Clip, b.Clip)) })
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, p.Seed)
	for _, c := range m.clips { // another round of planning, of other clips, is another draw
		h.Write([]byte(c.Couple + "\x00" + c.Clip + "\x00"))
	}
	sum := h.Sum(nil)
	m.rng = rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:])))
	m.rng.Shuffle(len(m.judges), func(i, j int) { m.judges[i], m.judges[j] = m.judges[j], m.judges[i] })
	m.rng.Shuffle(len(m.clips), func(i, j int) { m.clips[i], m.clips[j] = m.clips[j], m.clips[i] })
	for _, c := range m.clips {
		may := map[int]bool{}
		for j, judge := range m.judges {
			if !slices.Contains(judge.Knows, c.Couple) && !slices.Contains(c.Has, judge.Code) {
				may[j] = true
			}
		}
		m.may, m.given = append(m.may, may), append(m.given, map[int]bool{})
	}
	for range m.judges {
		m.has = append(m.has, map[int]bool{})
	}
	return m
}

func (m *matching) load(j int) int { return m.judges[j].Load + len(m.has[j]) }

func (m *matching) give(c, j int) { m.given[c][j], m.has[j][c] = true, true }

func (m *matching) take(c, j int) { delete(m.given[c], j); delete(m.has[j], c) }

// fill gives every clip the judges with the least to do, and of these the ones with the fewest clips of the couple. As every
// judge may take any number of clips, each clip gets as many as it may.
func (m *matching) fill() {
	for c, clip := range m.clips {
		list := slices.Sorted(maps.Keys(m.may[c]))
		ofCouple := func(j int) (n int) {
			for other := range m.has[j] {
				if m.clips[other].Couple == clip.Couple {
					n++
				}
			}
			return n
		}
		slices.SortStableFunc(list, func(a, b int) int {
			return cmp.Or(cmp.Compare(m.load(a), m.load(b)), cmp.Compare(ofCouple(a), ofCouple(b)))
		})
		for _, j := range list[:min(clip.Judges, len(list))] {
			m.give(c, j)
		}
	}
}

// even moves clips along chains of judges until no chain leads to a judge with two fewer.
func (m *matching) even() {
	for again := true; again; {
		again = false
		byLoad := make([]int, len(m.judges))
		for j := range byLoad {
			byLoad[j] = j
		}
		slices.SortStableFunc(byLoad, func(a, b int) int { return cmp.Compare(m.load(b), m.load(a)) })
		for _, j := range byLoad {
			if m.relieve(j) {
				again = true
				break
			}
		}
	}
}

// relieve moves one clip away from a judge if somebody at the end of a chain has at least two fewer.
func (m *matching) relieve(from int) bool {
	type step struct{ judge, clip, back int }
	queue, seen := []step{{from, -1, -1}}, map[int]bool{from: true}
	for at := 0; at < len(queue); at++ {
		j := queue[at].judge
		if m.load(j) <= m.load(from)-2 {
			for i := at; queue[i].back >= 0; i = queue[i].back {
				m.take(queue[i].clip, queue[queue[i].back].judge)
				m.give(queue[i].clip, queue[i].judge)
			}
			return true
		}
		for _, c := range slices.Sorted(maps.Keys(m.has[j])) {
			for _, to := range slices.Sorted(maps.Keys(m.may[c])) {
				if !seen[to] && !m.given[c][to] {
					seen[to] = true
					queue = append(queue, step{to, c, at})
				}
			}
		}
	}
	return false
}

// order puts each judge's clips into a random order in which, where it is possible, no two clips of a couple follow each other.
func (m *matching) order() []PlannedClip {
	var list []PlannedClip
	byCode := make([]int, len(m.judges))
	for j := range byCode {
		byCode[j] = j
	}
	slices.SortFunc(byCode, func(a, b int) int { return cmp.Compare(m.judges[a].Code, m.judges[b].Code) })
	for _, j := range byCode {
		judge := m.judges[j]
		left := map[string][]int{} // clips by couple
		for _, c := range slices.Sorted(maps.Keys(m.has[j])) {
			left[m.clips[c].Couple] = append(left[m.clips[c].Couple], c)
		}
		n := len(m.has[j])
		sides := make([]bool, n)
		for i := range sides {
			sides[i] = i%2 == 0
		}
		m.rng.Shuffle(n, func(a, b int) { sides[a], sides[b] = sides[b], sides[a] })
		last := judge.Last
		for i := range n {
			couple := m.draw(left, last, n-i)
			clips := left[couple]
			at := m.rng.IntN(len(clips))
			c := clips[at]
			if left[couple] = slices.Delete(clips, at, at+1); len(left[couple]) == 0 {
				delete(left, couple)
			}
			last = couple
			list = append(list, PlannedClip{m.clips[c], judge.Code, judge.Placed + i + 1, sides[i]})
		}
	}
	return list
}

// draw chooses the couple of the next clip: by chance in proportion to what is left of each, but for the one before, and but for when one has so many left that it must be
// now or two of its clips would follow each other later.
func (m *matching) draw(left map[string][]int, last string, remaining int) string {
	couples := slices.Sorted(maps.Keys(left))
	for _, c := range couples {
		if n := len(left[c]); c != last && 2*n > remaining {
			return c
		}
	}
	total := 0
	for _, c := range couples {
		if c != last {
			total += len(left[c])
		}
	}
	if total == 0 {
		return last
	}
	at := m.rng.IntN(total)
	for _, c := range couples {
		if c == last {
			continue
		}
		if at -= len(left[c]); at < 0 {
			return c
		}
	}
	return last
}
