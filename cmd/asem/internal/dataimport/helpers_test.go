package dataimport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// wideMapping and longMapping describe the same small study of two waves.
const (
	header = `study: S1
title: A small study
zone: Europe/Berlin
roles: {A: h, B: w}
waves: [{month: 0}, {month: 6}]
enrolled: {date: 2020-02-29}
couple: couple
constructs:
  love: {min: 0, max: 10}
  trust: {}
`
	wideMapping = header + `measures:
  - {columns: "love_{role}{wave}", construct: love}
  - {columns: "csi_{item}_{role}", wave: 2, instrument: csi-4@2007, items: {a: c01, b: c05, c: c07, d: c10}}
`
	longMapping = header + `role: {column: role, values: {husband: A, wife: B}}
wave: {column: time, values: {"0": 1, "1": 2}}
measures:
  - {column: love, construct: love}
  - {columns: "csi_{item}", instrument: csi-4@2007, items: {a: c01, b: c05, c: c07, d: c10}}
`
	// scoresMapping is long without translations and has scores only.
	scoresMapping = header + `role: {column: role}
wave: {column: wave}
measures:
  - {column: love, construct: love}
`
)

func mapping(t testing.TB, text string) *Mapping {
	t.Helper()
	m, err := ParseMapping("map.yaml", []byte(text))
	require.NoError(t, err)
	return m
}

func file(lines ...string) Source {
	return Source{Name: "data.csv", Data: []byte(strings.Join(lines, "\n") + "\n")}
}

// messages lists an error's problems, all of which must be a user's.
func messages(t testing.TB, err error) []string {
	t.Helper()
	require.Error(t, err)
	var list []string
	for _, e := range yamltext.Refusals(err) {
		require.Equal(t, domain.Invalid, e.Code, "%v", e)
		list = append(list, e.Error())
	}
	require.NotEmpty(t, list)
	return list
}

// commands lists the commands of orders of one type.
func commands[C domain.Command](orders []domain.Order) []C {
	var list []C
	for _, o := range orders {
		if c, ok := o.Command.(C); ok {
			list = append(list, c)
		}
	}
	return list
}
