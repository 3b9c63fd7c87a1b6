package domain

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The scoring keys that ship are data, one file an instrument. They hold short tags instead of the wording of
// published items; only instruments of our own come with wording. A note tells apart what was not seen in a
// public source and should be checked before use.
//
//go:embed keys/*.json
var keyFiles embed.FS

var loadKeys = sync.OnceValue(func() []Instrument {
	entries, err := keyFiles.ReadDir("keys")
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	list := make([]Instrument, len(entries))
	for i, e := range entries {
		text, err := keyFiles.ReadFile("keys/" + e.Name())
		if err == nil {
			list[i], err = decodeKey(text)
		}
		if err != nil {
			panic(fmt.Sprintf("domain: key %s: %v", e.Name(), err))
		}
	}
	slices.SortFunc(list, func(a, b Instrument) int {
		return cmp.Or(strings.Compare(a.Code, b.Code), compareVersions(a.Version, b.Version))
	})
	return list
})

// decodeKey reads one instrument; a misspelt field is an error, not an item without limits.
func decodeKey(text []byte) (Instrument, error) {
	var in Instrument
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Instrument{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return Instrument{}, fmt.Errorf("something follows the instrument")
	}
	return in, in.Validate()
}

// compareVersions orders versions by their leading number, then by the text after it: 9, 10, 10-b.
func compareVersions(a, b string) int {
	na, ra := leadingNumber(a)
	nb, rb := leadingNumber(b)
	return cmp.Or(cmp.Compare(na, nb), strings.Compare(ra, rb), strings.Compare(a, b))
}

func leadingNumber(s string) (n uint64, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, _ = strconv.ParseUint(s[:i], 10, 64) // none is 0; one too long to be a version is the largest
	return n, s[i:]
}

// Keys returns every instrument that ships, sorted by code and version. The caller may change what it gets.
func Keys() []Instrument {
	list := slices.Clone(loadKeys())
	for i, in := range list {
		list[i] = in.clone()
	}
	return list
}

// Key returns the shipped instrument with a code and version. The caller may change it, as to add wording.
func Key(code, version string) (Instrument, bool) {
	in, ok := find(loadKeys(), func(in Instrument) bool { return in.Code == code && in.Version == version })
	return in.clone(), ok
}

// LatestKey returns the newest version of the shipped instrument with a code.
func LatestKey(code string) (Instrument, bool) {
	all := loadKeys()
	for _, in := range slices.Backward(all) { // sorted, so the newest comes first
		if in.Code == code {
			return in.clone(), true
		}
	}
	return Instrument{}, false
}
