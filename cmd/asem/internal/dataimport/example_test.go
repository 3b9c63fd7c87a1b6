package dataimport_test

import (
	"fmt"

	"asem/cmd/asem/internal/dataimport"
)

// A wide file: one row for each couple. The mapping is what a lab writes beside it.
func ExampleOrders() {
	mapping, err := dataimport.ParseMapping("warmth.yaml", []byte(`
study: WARMTH                       # created if there is no such study, else extended
title: Warmth over half a year
zone: Europe/Berlin                 # of the study's site
roles: {A: wife, B: husband}
waves:                              # months from enrolment
  - {month: 0, label: Start}
  - {month: 6, label: Half a year, opensDaysEarly: 7, closesDaysLate: 14}
enrolled: {column: started, format: 02.01.2006}
couple: id
constructs:                         # scores that were computed elsewhere
  warmth: {title: Warmth shown, min: 1, max: 7, higherIs: warmer}
measures:
  - {columns: "warm_{role}_{wave}", construct: warmth}
  # Answers to the items of an instrument; its scores are computed from them.
  - {columns: "csi{item}_{role}", wave: 2, instrument: csi-4@2007, items: {1: c01, 2: c05, 3: c07, 4: c10}}
missing: [-9, NA]                   # besides the empty cell
ignore: [interviewer]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, err := dataimport.Orders(mapping, dataimport.Source{Name: "warmth.csv", Data: []byte(
		`id,started,interviewer,warm_wife_1,warm_husband_1,warm_wife_2,warm_husband_2,csi1_wife,csi2_wife,csi3_wife,csi4_wife,csi1_husband,csi2_husband,csi3_husband,csi4_husband,notes
1,23.11.2019,K,4.5,5,6,-9,6,5,5,4,,,,,
2,02.12.2019,L,3,,,,,,,,,,,,moved away
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(batch.Report())
	// Output:
	// Study WARMTH would be created: Warmth over half a year
	// Instruments registered: csi-4@2007
	// Protocol published: version 1
	// File warmth.csv: 2 rows, 2 couples, 4 participants, 8 values, 16 cells missing.
	// Couples with values of one partner only: 1; without any value: 0.
	//
	//    values of  Start (month 0)  Half a year (month 6)  in all
	//       warmth                3                      1       4
	//   csi-4@2007                0                      4       4
	//
	//           column  values  missing
	//      warm_wife_1       2        0
	//   warm_husband_1       1        1
	//      warm_wife_2       1        1
	//   warm_husband_2       0        2
	//        csi1_wife       1        1
	//        csi2_wife       1        1
	//        csi3_wife       1        1
	//        csi4_wife       1        1
	//     csi1_husband       0        2
	//     csi2_husband       0        2
	//     csi3_husband       0        2
	//     csi4_husband       0        2
	//
	// Not imported: notes
}

// A long file with mistakes: each is told with its row and column.
func ExampleOrders_mistakes() {
	mapping, _ := dataimport.Acitelli()
	_, err := dataimport.Orders(mapping, dataimport.Source{Name: "couples.csv", Data: []byte(
		`couple,role,satisfaction,tension,self_positivity,partner_positivity
3,wife,4,1.5,4.8,4.6
3,wife,4,1.5,4.8,4.6
3,husband,"3,6",n/a,3.8,40
`)})
	fmt.Println(err)
	// Output:
	// couples.csv:3: row 2 has the same couple and role already
	// couples.csv:4 column satisfaction: there is a number with a comma; write 3.5 instead of 3,5, or put decimal: "," into the mapping
	// couples.csv:4 column tension: there is "n/a" where a number was expected; if it marks a missing value, list it under missing in the mapping
	// couples.csv:4 column partner_positivity: the value of partner_positivity is out of range; expected 1 to 5
}

// A lab puts the wording that it may use to a key that ships.
func ExampleParseInstrument() {
	in, err := dataimport.ParseInstrument("csi.yaml", []byte(`
extends: csi-4@2007
version: 2007-lab
items:
  c01: {en: "(the lab's wording)"}
  c05: {en: "(the lab's wording)"}
  c07: {en: "(the lab's wording)"}
`))
	fmt.Println(in.Code, err)
	// Output: csi.yaml:5:3: item c10 has no wording in en, which other items have
}
