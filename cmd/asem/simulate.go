package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/simulate"
)

// simulateCmd makes a synthetic study.
type simulateCmd struct {
	storage
	Study       string `help:"Code of the new study." default:"DEMO" placeholder:"CODE"`
	Couples     int    `help:"How many couples." default:"120"`
	Separations int    `help:"How many of them separate." default:"5"`
	Seed        uint64 `help:"Equal seeds make equal studies." default:"20261123"`
}

func (c *simulateCmd) Help() string {
	return `Makes a study of eight months with known actor and partner effects, and labels it synthetic.

Example:
  asem simulate --study PILOT --couples 200 --seed 7`
}

func (c *simulateCmd) Run(ctx context.Context, io streams) error {
	plan := simulate.Example()
	plan.Code, plan.Couples, plan.Separations, plan.Seed = c.Study, c.Couples, c.Separations, c.Seed
	if err := plan.Check(); err != nil {
		return err
	}
	return c.with(ctx, func(h *house) error {
		line := &progressLine{w: io.err}
		n, err := h.simulate(ctx, plan, line)
		line.end()
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "study %s (synthetic): %d couples, %d events\n", plan.Code, plan.Couples, n)
		return nil
	})
}

// simulate carries out a plan, couple by couple, and brings the read models up to date. What was
// carried out before is not repeated: the ids of the commands follow from the plan.
func (h *house) simulate(ctx context.Context, plan simulate.Study, line *progressLine) (n int, err error) {
	id := func(part string) uuid.UUID {
		return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "asem simulate %+v %s", plan, part))
	}
	r, err := h.exec.ExecuteAll(ctx, id("setup"), plan.Setup())
	if err != nil {
		return 0, err
	}
	n = r.Events
	for i := range plan.Couples {
		r, err := h.exec.ExecuteAll(ctx, id(fmt.Sprint("couple ", i+1)), plan.Couple(i+1))
		if err != nil {
			return n, fmt.Errorf("couple %d: %w", i+1, err)
		}
		n += r.Events
		line.show("simulating couples", int64(i+1), int64(plan.Couples))
	}
	return n, h.catchUp(ctx)
}
