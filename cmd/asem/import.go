package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"asem/cmd/asem/internal/dataimport"
	"asem/domain"
	"asem/projections"
)

// importCmd brings a data set into a study.
type importCmd struct {
	storage
	Mapping string `help:"What the columns mean, as a YAML file." required:"" placeholder:"FILE"`
	DryRun  bool   `help:"Say what would be done, and do nothing."`
	File    string `arg:"" help:"The CSV file."`
}

func (c *importCmd) Help() string {
	return `Brings a CSV file into a study as events, all or nothing. A second import of the same file adds nothing.

A mapping for a wide file with the columns couple, h1 to h5, w1 to w5:

  study: MQ5
  title: Marital quality over five yearly waves
  zone: Etc/UTC
  timeUnitMonths: 12
  roles: {A: h, B: w}
  waves: [{month: 0}, {month: 12}, {month: 24}, {month: 36}, {month: 48}]
  enrolled: {date: 2015-01-01}
  couple: couple
  missing: [NA, -9]
  constructs: {quality: {title: Marital quality}}
  measures:
    - {columns: "h{wave}", role: A, construct: quality}
    - {columns: "w{wave}", role: B, construct: quality}

Examples:
  asem import --mapping mq5.yaml --dry-run mq5.csv
  asem import --mapping mq5.yaml mq5.csv`
}

func (c *importCmd) Run(ctx context.Context, io streams) error {
	text, err := readInput(c.Mapping)
	if err != nil {
		return err
	}
	mapping, err := dataimport.ParseMapping(filepath.Base(c.Mapping), text)
	if err != nil {
		return err
	}
	csv, err := readInput(c.File)
	if err != nil {
		return err
	}
	source := dataimport.Source{Name: filepath.Base(c.File), Data: csv}
	return c.with(ctx, func(h *house) error {
		study, err := h.study(ctx, mapping.Study)
		if err != nil {
			return err
		}
		batch, err := dataimport.Extend(study, mapping, source)
		if err != nil {
			return err
		}
		if c.DryRun {
			plan, err := h.exec.Plan(ctx, batch.Orders)
			if err != nil {
				return batch.Explain(err)
			}
			fmt.Fprint(io.out, batch.Report())
			fmt.Fprintf(io.out, "\nThis would add %d events. Nothing was done.\n", plan.Events)
			return nil
		}
		r, err := h.exec.ExecuteAll(ctx, batch.ID, batch.Orders)
		if err != nil {
			return batch.Explain(err)
		}
		if err := h.catchUp(ctx); err != nil {
			return fmt.Errorf("the events are stored, up to position %d; the read models will follow at the next start: %w", r.Position, err)
		}
		if r.Duplicate || r.Events == 0 {
			fmt.Fprintf(io.out, "%s was imported before; nothing was added\n", source.Name)
			return nil
		}
		fmt.Fprint(io.out, batch.Report())
		fmt.Fprintf(io.out, "\nAdded %d events, up to position %d.\n", r.Events, r.Position)
		return nil
	})
}

// study returns a study as it is now; the zero study if there is none.
func (h *house) study(ctx context.Context, code string) (domain.Study, error) {
	v, err := h.read.View(ctx, projections.AsOf{})
	if err != nil {
		return domain.Study{}, err
	}
	s, err := v.Study(ctx, code)
	if err != nil && domain.CodeOf(err) == domain.NotFound {
		return domain.Study{}, nil
	}
	return s.Study, err
}

func readInput(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the file cannot be read", Err: err}
	}
	return text, nil
}
