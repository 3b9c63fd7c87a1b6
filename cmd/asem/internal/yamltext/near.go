package yamltext

import (
	"cmp"
	"slices"
	"strings"
)

// DidYouMean returns a half-sentence that names what a misspelt name may have meant, or nothing.
func DidYouMean(name string, among []string) string {
	near := nearest(name, among)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// nearest returns up to three names that differ from a name in few letters, the most alike first.
func nearest(name string, among []string) []string {
	const longest = 64 // names beyond it are not compared: the work grows with the square
	if name == "" || len(name) > longest {
		return nil
	}
	type match struct {
		name string
		off  int
	}
	var near []match
	for _, other := range among {
		if other == "" || len(other) > longest {
			continue
		}
		off := edits([]rune(strings.ToLower(name)), []rune(strings.ToLower(other)))
		if off <= max(1, min(len(name), len(other))/4) {
			near = append(near, match{other, off})
		}
	}
	slices.SortStableFunc(near, func(a, b match) int { return cmp.Compare(a.off, b.off) })
	names := make([]string, 0, 3)
	for _, m := range near[:min(3, len(near))] {
		names = append(names, m.name)
	}
	return names
}

// edits counts the letters to insert, remove, replace or swap with their neighbour to make b of a (the distance of optimal
// string alignment).
func edits(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		before, last, row = last, row, before
		row[0] = i + 1
		for j, y := range b {
			change := last[j]
			if x != y {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x == b[j-1] && a[i-1] == y {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
