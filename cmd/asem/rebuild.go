package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"asem/events"
	"asem/projections"
)

// rebuildCmd builds the read models anew.
type rebuildCmd struct {
	storage
	Grace  time.Duration `help:"With PostgreSQL: how long what was replaced is left to those who still read it." default:"30s"`
	Retire bool          `help:"Also remove what versions of asem before this one have built. None of them may still be running."`
}

func (c *rebuildCmd) Help() string {
	return `The log alone is the truth: the read models can be built again at any time. They are built beside those in use, which go on being
read and kept up to date, and take their place when they have caught up. With PostgreSQL servers may run meanwhile; a server that
has a data folder to itself rebuilds from its operations page.

Example:
  asem rebuild --data study`
}

func (c *rebuildCmd) Run(ctx context.Context, io streams) (err error) {
	if err := c.mustExist(); err != nil {
		return err
	}
	h, err := c.open(ctx) // without catching up first
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	grace := time.Duration(0) // a data folder is ours alone
	if c.Postgres != "" {
		grace = c.Grace
	}
	eta := &estimate{line: &progressLine{w: io.err}, plain: io.err, began: time.Now()}
	err = projections.Rebuild(ctx, h.log, h.read, grace, eta.show)
	eta.line.end()
	if err != nil {
		return err
	}
	at, err := h.read.Position(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "read models rebuilt to position %d\n", at)
	if !c.Retire {
		return nil
	}
	gone, err := h.read.Retire(ctx)
	for _, name := range gone {
		fmt.Fprintf(io.out, "removed read model %s\n", name)
	}
	return err
}

// estimate tells how far long work has come, how fast it is and when it will be done: on one line where somebody looks, and
// otherwise in a line every few seconds.
type estimate struct {
	line  *progressLine
	plain io.Writer
	began time.Time
	told  time.Time // when plain was told last
}

func (e *estimate) show(done, head events.Position) {
	took := time.Since(e.began)
	if done == 0 || took < 100*time.Millisecond {
		return
	}
	rate := float64(done) / took.Seconds()
	left := time.Duration(float64(head-done) / rate * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("rebuilding: %d of %d events, %.0f a second, %s left", done, head, rate, left)
	if e.line.write(text) {
		return
	}
	if now := time.Now(); now.Sub(e.told) > 5*time.Second && took > 5*time.Second {
		e.told = now
		fmt.Fprintln(e.plain, text)
	}
}
