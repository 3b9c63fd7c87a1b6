//go:build crash

package main

import "time"

const (
	crashKills   = 300
	crashFills   = 10
	crashWriters = 64
	crashTime    = 60 * time.Second
)
