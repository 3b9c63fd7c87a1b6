//go:build crash

package main

import "time"

const (
	crashKills   = 300
	crashWriters = 64
	crashTime    = 60 * time.Second
)
