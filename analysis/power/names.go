package power

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"asem/analysis/frame"
)

// alias returns a parameter's name without the levels of the role: "role:time" for "roleman:time", "sd(residual)" for "sd(residual, man)". Correlations have one only if
// it tells which they are: those of a person's own effects, and those of the partners' effects of one kind. Without one it returns the name.
func alias(name, role string, levels []string) string {
	plain := strings.ReplaceAll(name, "`", "")
	if role == "" {
		return plain
	}
	var found []string // the levels that were taken away
	var out strings.Builder
	for rest := plain; rest != ""; {
		i := strings.IndexAny(rest, ":(), ")
		if i < 0 {
			i = len(rest)
		}
		word := rest[:i]
		for _, l := range levels {
			if word == role+l {
				word, found = role, append(found, l)
				break
			}
		}
		out.WriteString(word)
		if i < len(rest) {
			out.WriteByte(rest[i])
			i++
		}
		rest = rest[i:]
	}
	short := out.String()
	for _, l := range levels {
		if short == "sd(residual, "+l+")" {
			return "sd(residual)"
		}
	}
	if strings.HasPrefix(short, "cor(") && len(found) == 2 {
		parts := strings.Split(strings.TrimSuffix(short, ")"), ", ")
		if same := parts[len(parts)-1] == parts[len(parts)-2]; same != (found[0] != found[1]) {
			return plain
		}
	}
	return short
}

// assign gives each of the names its value: that under its own name, else that under its alias, else NaN. An entry that fits no name is an error at path.
func assign(names []string, values map[string]float64, role string, levels []string, what, path string) ([]float64, error) {
	out := make([]float64, len(names))
	used := map[string]bool{}
	nan := notANumber()
	var known []string
	for i, name := range names {
		plain, short := strings.ReplaceAll(name, "`", ""), alias(name, role, levels)
		known = append(known, plain)
		if short != plain && !slices.Contains(known, short) {
			known = append(known, short)
		}
		out[i] = nan
		for _, key := range []string{short, plain, name} { // the most particular comes last
			if x, ok := values[key]; ok {
				out[i], used[key] = x, true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !used[key] {
			return nil, wrong(fmt.Sprintf("is no %s of the model%s; there are %s", what, frame.Suggest(key, known), strings.Join(names, ", ")), path, key)
		}
	}
	return out, nil
}

// chosen returns which of the names are meant by a list of names or aliases.
func chosen(names, list []string, role string, levels []string) ([]int, error) {
	var at []int
	for i, key := range list {
		before := len(at)
		var known []string
		for k, name := range names {
			plain, short := strings.ReplaceAll(name, "`", ""), alias(name, role, levels)
			known = append(known, plain, short)
			if key == name || key == plain || key == short {
				at = append(at, k)
			}
		}
		if len(at) == before {
			return nil, wrong(fmt.Sprintf("is %q, which is no fixed effect of the model%s; there are %s", key, frame.Suggest(key, known), strings.Join(names, ", ")), "interest", strconv.Itoa(i))
		}
	}
	slices.Sort(at)
	return slices.Compact(at), nil
}
