package main

import (
	"context"
	"errors"
	"fmt"

	"asem/events"
	"asem/projections"
)

// rebuildCmd builds the read models anew.
type rebuildCmd struct{ storage }

func (c *rebuildCmd) Help() string {
	return `The log alone is the truth: the read models can be thrown away and built again at any time.

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
	line := &progressLine{w: io.err}
	err = projections.Rebuild(ctx, h.log, projections.All(h.read), func(done, head events.Position) { line.show("rebuilding", int64(done), int64(head)) })
	line.end()
	if err != nil {
		return err
	}
	at, err := h.read.Position(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "read models rebuilt to position %d\n", at)
	return nil
}
