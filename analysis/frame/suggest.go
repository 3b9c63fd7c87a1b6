package frame

import "strconv"

// Suggest words a question after the known name that differs least from another, as "; did you mean "time"?"; it is empty if none is near.
func Suggest(name string, names []string) string {
	best, least := "", len(name)/2+1
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + strconv.Quote(best) + "?"
}

// distance counts the single-character edits between two texts (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := above
			if a[i] != b[j] {
				d = min(above, row[j], row[j+1]) + 1
			}
			above, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
