package agreement

import (
	"fmt"
	"math"
	"slices"

	"asem/analysis/frame"
)

// Rating is one judge's rating of one clip. A NaN stands for none.
type Rating struct {
	Clip, Judge string
	Value       float64 // within ±1e100
}

// maxValue bounds ratings so that no sum of squares overflows.
const maxValue = 1e100

// Table holds ratings by clip and judge. Not every judge needs to rate every clip. Clips and judges stand in natural order
// of their names, so that whatever is computed from equal ratings is equal to the last digit, in whatever order they came in:
// a table that follows a study rating by rating and one made from all of them at once give the same answers.
type Table struct {
	clips, judges []string
	rows          [][]cell // of each clip, in order of judges
	ratings       int
}

type cell struct {
	judge int // index into judges
	value float64
}

// NewTable makes a table. Ratings without clip or judge, values out of range, and a second rating of a clip by the same judge
// are [*InputError]s. Ratings that are NaN are left out, with clips and judges that have no others.
func NewTable(ratings []Rating) (*Table, error) {
	t := &Table{}
	for _, r := range ratings {
		if err := r.check(); err != nil {
			return nil, err
		}
		if !math.IsNaN(r.Value) {
			t.clips, t.judges = append(t.clips, r.Clip), append(t.judges, r.Judge)
		}
	}
	var clip, judge map[string]int
	t.clips, clip = distinct(t.clips)
	t.judges, judge = distinct(t.judges)
	t.rows = make([][]cell, len(t.clips))
	for _, r := range ratings {
		if !math.IsNaN(r.Value) {
			i := clip[r.Clip]
			t.rows[i] = append(t.rows[i], cell{judge[r.Judge], r.Value})
			t.ratings++
		}
	}
	for i, row := range t.rows {
		slices.SortStableFunc(row, func(a, b cell) int { return a.judge - b.judge })
		for j := 1; j < len(row); j++ {
			if row[j].judge == row[j-1].judge {
				return nil, badInput(fmt.Sprintf("the rating of clip %q by judge %q", t.clips[i], t.judges[row[j].judge]), "stands twice; expected one for each clip and judge")
			}
		}
	}
	return t, nil
}

func (r Rating) check() error {
	switch {
	case r.Clip == "":
		return badInput("a rating", "has no clip")
	case r.Judge == "":
		return badInput("a rating", "has no judge")
	case math.Abs(r.Value) > maxValue:
		return badInput(fmt.Sprintf("the rating of clip %q by judge %q", r.Clip, r.Judge), "is %v; expected a number within ±%v", r.Value, maxValue)
	}
	return nil
}

// distinct returns names in natural order without repetition, and where each stands.
func distinct(names []string) ([]string, map[string]int) {
	seen := make(map[string]int, len(names))
	var list []string
	for _, n := range names {
		if _, ok := seen[n]; !ok {
			seen[n] = 0
			list = append(list, n)
		}
	}
	slices.SortFunc(list, frame.Natural)
	for i, n := range list {
		seen[n] = i
	}
	return list, seen
}

// Clips returns the names of the clips in natural order. The caller must not change them.
func (t *Table) Clips() []string { return t.clips }

// Judges returns the names of the judges in natural order. The caller must not change them.
func (t *Table) Judges() []string { return t.judges }

// Ratings returns how many ratings the table holds.
func (t *Table) Ratings() int { return t.ratings }

// At returns the rating of clip i by judge j, and whether there is one.
func (t *Table) At(i, j int) (float64, bool) {
	k, ok := slices.BinarySearchFunc(t.rows[i], j, func(c cell, j int) int { return c.judge - j })
	if !ok {
		return 0, false
	}
	return t.rows[i][k].value, true
}

// Complete reports whether every judge rated every clip.
func (t *Table) Complete() bool { return t.ratings == len(t.clips)*len(t.judges) }

// Set puts a rating in, or in place of the former one; NaN takes it away. It costs a look-up where clip and judge are known.
func (t *Table) Set(r Rating) error {
	if err := r.check(); err != nil {
		return err
	}
	if math.IsNaN(r.Value) {
		t.remove(r.Clip, r.Judge)
		return nil
	}
	i, ok := slices.BinarySearchFunc(t.clips, r.Clip, frame.Natural)
	if !ok {
		t.clips, t.rows = slices.Insert(t.clips, i, r.Clip), slices.Insert(t.rows, i, nil)
	}
	j, ok := slices.BinarySearchFunc(t.judges, r.Judge, frame.Natural)
	if !ok {
		t.judges = slices.Insert(t.judges, j, r.Judge)
		t.shift(j, 1)
	}
	k, ok := slices.BinarySearchFunc(t.rows[i], j, func(c cell, j int) int { return c.judge - j })
	if ok {
		t.rows[i][k].value = r.Value
		return nil
	}
	t.rows[i] = slices.Insert(t.rows[i], k, cell{j, r.Value})
	t.ratings++
	return nil
}

// remove takes a rating away, and a clip or judge without others.
func (t *Table) remove(clip, judge string) {
	i, ok := slices.BinarySearchFunc(t.clips, clip, frame.Natural)
	if !ok {
		return
	}
	j, ok := slices.BinarySearchFunc(t.judges, judge, frame.Natural)
	if !ok {
		return
	}
	k, ok := slices.BinarySearchFunc(t.rows[i], j, func(c cell, j int) int { return c.judge - j })
	if !ok {
		return
	}
	t.rows[i] = slices.Delete(t.rows[i], k, k+1)
	t.ratings--
	if len(t.rows[i]) == 0 {
		t.clips, t.rows = slices.Delete(t.clips, i, i+1), slices.Delete(t.rows, i, i+1)
	}
	for _, row := range t.rows {
		if slices.ContainsFunc(row, func(c cell) bool { return c.judge == j }) {
			return
		}
	}
	t.judges = slices.Delete(t.judges, j, j+1)
	t.shift(j, -1)
}

// shift renumbers the judges from j on.
func (t *Table) shift(j, by int) {
	for _, row := range t.rows {
		for k := range row {
			if row[k].judge >= j {
				row[k].judge += by
			}
		}
	}
}

// spanned returns the values with their middle taken off and divided by half their range, so that they lie within ±1 whatever
// their unit, and that half range. It is zero if all values are equal or there are none.
func spanned(values []float64) (z []float64, half float64) {
	if len(values) == 0 {
		return nil, 0
	}
	lo, hi := slices.Min(values), slices.Max(values)
	half = hi/2 - lo/2
	if half == 0 {
		return values, 0
	}
	mid := lo + half
	z = make([]float64, len(values))
	for i, v := range values {
		z[i] = max(-1, min(1, (v-mid)/half))
	}
	return z, half
}

// values returns all ratings, clip by clip.
func (t *Table) values() []float64 {
	all := make([]float64, 0, t.ratings)
	for _, row := range t.rows {
		for _, c := range row {
			all = append(all, c.value)
		}
	}
	return all
}

// normal returns the table with its values spanned to ±1 and half their former range; zero if there is no variance.
func (t *Table) normal() (*Table, float64) {
	z, half := spanned(t.values())
	if half == 0 {
		return t, 0
	}
	out := &Table{clips: t.clips, judges: t.judges, ratings: t.ratings, rows: make([][]cell, len(t.rows))}
	at := 0
	for i, row := range t.rows {
		out.rows[i] = make([]cell, len(row))
		for k, c := range row {
			out.rows[i][k] = cell{c.judge, z[at]}
			at++
		}
	}
	return out, half
}

// rated says why a table has no agreement to speak of, or returns nil.
func (t *Table) rated(what string) error {
	switch {
	case t.ratings == 0:
		return notEstimable(what, "there are no ratings")
	case len(t.judges) < 2:
		return notEstimable(what, "there is only one judge; at least two are needed")
	case len(t.clips) < 2:
		return notEstimable(what, "there is only one clip; at least two are needed")
	}
	return nil
}

// checkLevel returns the level of confidence, 0.95 for 0.
func checkLevel(level float64) (float64, error) {
	switch {
	case level == 0:
		return 0.95, nil
	case !(level > 0 && level < 1):
		return 0, badInput("level", "is %v; expected a number between 0 and 1", level)
	}
	return level, nil
}
