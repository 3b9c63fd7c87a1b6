package prompting

import "time"

// Clock is where the time comes from.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that gives a value once d has passed, and a function that frees it before.
	Timer(d time.Duration) (<-chan time.Time, func())
}

// SystemClock is the machine's.
type SystemClock struct{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now() }

// Timer implements [Clock].
func (SystemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
