package projections

import (
	"strings"

	"asem/domain"
)

// A key is a byte string that names something and sorts as people expect: studies, their couples,
// the couples' persons, the persons' constructs, each in natural order. Keys of what belongs to a thing begin with
// the thing's own key, so that a range of keys is a study, a couple or a person. Codes hold no NUL, which
// therefore ends them.
type key []byte

func studyKey(study string) key { return appendNatural(nil, study) }

func coupleKey(study, couple string) key { return appendNatural(studyKey(study), couple) }

func personKey(study, couple string, role domain.Role) key {
	return appendNatural(coupleKey(study, couple), string(role))
}

func seriesKey(study, couple string, role domain.Role, construct string) key {
	return appendNatural(personKey(study, couple, role), construct)
}

// end returns the smallest key that comes after everything that begins with k.
func (k key) end() key {
	end := append(key(nil), k...)
	end[len(end)-1]++ // keys end in NUL
	return end
}

// appendNatural appends a code so that bytes sort as codes do in natural order: before the digits of a
// number stands how many there are. The code itself follows, for 7 and 007 are equal as numbers. What is no code
// leads nowhere, least of all into another study's keys.
func appendNatural(k key, code string) key {
	if domain.CheckCode("", code) != nil {
		code = "" // nothing has such a code; the key of no code finds nothing
	}
	for rest := code; rest != ""; {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 0 {
			k = append(k, rest[0])
			rest = rest[1:]
			continue
		}
		digits := strings.TrimLeft(rest[:n], "0")
		k = append(k, '0', byte(len(digits)+1)) // never NUL; a code has at most 64 characters
		k = append(k, digits...)
		rest = rest[n:]
	}
	k = append(k, 0)
	k = append(k, code...)
	return append(k, 0)
}
