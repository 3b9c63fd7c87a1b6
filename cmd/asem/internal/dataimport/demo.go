package dataimport

import (
	_ "embed"
	"fmt"
)

//go:embed demo/acitelli.yaml
var acitelliMapping []byte

//go:embed demo/acitelli_couples.csv
var acitelliCSV []byte

// Acitelli returns a real data set that comes with asem, and its mapping: 148 married couples, asked once for
// satisfaction, tension and how positively they see themselves and their partner.
// Source: Acitelli's data as given in the R package dyadr (R. Garcia, D. Kenny), CC0.
func Acitelli() (*Mapping, Source) {
	m, err := ParseMapping("acitelli.yaml", acitelliMapping)
	if err != nil {
		panic(fmt.Sprintf("dataimport: %v", err)) // embedded, and under test
	}
	return m, Source{Name: "acitelli_couples.csv", Data: acitelliCSV}
}
