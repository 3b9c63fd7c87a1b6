//go:build !crash

package main

import "time"

// How much the tests of crash_test.go do by default. With the build tag crash they do what a release must stand.
const (
	crashKills   = 4
	crashFills   = 1
	crashWriters = 16
	crashTime    = 2 * time.Second
)
