package domain

import (
	"embed"
	"encoding/json"
	"fmt"
	"sort"
	"sync"
)

// The scoring keys that ship are data, one file an instrument. They hold short tags instead of the wording of
// published items; only instruments of our own come with wording.
//
//go:embed keys/*.json
var keyFiles embed.FS

var loadKeys = sync.OnceValue(func() []Instrument {
	entries, err := keyFiles.ReadDir("keys")
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	var list []Instrument
	for _, e := range entries {
		text, err := keyFiles.ReadFile("keys/" + e.Name())
		if err != nil {
			panic(err)
		}
		var in Instrument
		if err := json.Unmarshal(text, &in); err != nil {
			panic(fmt.Sprintf("domain: key %s: %v", e.Name(), err))
		}
		list = append(list, in)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Code != list[j].Code {
			return list[i].Code < list[j].Code
		}
		return list[i].Version < list[j].Version
	})
	return list
})

// Keys returns every instrument that ships, sorted by code and version.
func Keys() []Instrument { return append([]Instrument(nil), loadKeys()...) }

// Key returns the shipped instrument with a code and version.
func Key(code, version string) (Instrument, bool) {
	return find(loadKeys(), func(in Instrument) bool { return in.Code == code && in.Version == version })
}

// LatestKey returns the newest version of the shipped instrument with a code.
func LatestKey(code string) (Instrument, bool) {
	var latest Instrument
	found := false
	for _, in := range loadKeys() { // sorted, so the last is the newest
		if in.Code == code {
			latest, found = in, true
		}
	}
	return latest, found
}
