package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"asem/analysis/frame"
	"asem/analysis/plot"
	"asem/domain"
	"asem/events"
	"asem/projections"
)

// fitCmd fits a model to a file, with no database at all, or to a study.
type fitCmd struct {
	Data     string   `help:"CSV file to fit; with --study, the data folder." env:"ASEM_DATA" placeholder:"FILE|DIR"`
	Study    string   `help:"Fit this study's data instead of a file." placeholder:"CODE"`
	Postgres string   `help:"With --study: the PostgreSQL database that keeps it." env:"ASEM_POSTGRES" placeholder:"URL"`
	Spec     string   `help:"The model, as a YAML file." required:"" placeholder:"FILE"`
	Frame    string   `help:"With --study: the data to fit, ${enum}." enum:"waves,diary" default:"waves"`
	AsOf     int64    `help:"With --study: as of this position of the log; 0 is now." placeholder:"POSITION"`
	NA       []string `help:"Texts that mean a missing value in the file, besides the empty one; NA if none is given." name:"na" placeholder:"TEXT"`
	JSON     bool     `help:"Print the result as JSON." name:"json"`

	Forest       string `help:"Draw the actor and partner effects with their intervals to this file, .svg or .png." placeholder:"FILE"`
	Trajectories string `help:"Draw the expected course of the outcome to this file, .svg or .png." placeholder:"FILE"`
}

func (c *fitCmd) Help() string {
	return `Examples:
  asem fit --data long.csv --spec growth.yaml
  asem fit --study DEMO --spec growth.yaml --json
  asem fit --study DEMO --spec growth.yaml --forest effects.svg --trajectories course.png

Exit code 0: fitted; 1: the model did not converge, the reason is printed; 2: bad input.`
}

func (c *fitCmd) Run(ctx context.Context, io streams) error {
	spec, err := readSpec(c.Spec)
	if err != nil {
		return err
	}
	if err := cmp.Or(figureName(c.Forest), figureName(c.Trajectories)); err != nil {
		return err
	}
	f, from, err := c.load(ctx)
	if err != nil {
		return err
	}
	r, err := spec.fit(ctx, f)
	if err != nil {
		return err
	}
	if c.JSON {
		err = r.writeJSON(io.out, from)
	} else {
		err = r.writeTable(io.out, from)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := r.Err(); err != nil {
		return err
	}
	return c.draw(r, f)
}

// draw draws the figures that were asked for.
func (c *fitCmd) draw(r *fitted, f *frame.Frame) error {
	for _, d := range []struct {
		path string
		draw func() (*plot.Figure, error)
	}{{c.Forest, r.forest}, {c.Trajectories, func() (*plot.Figure, error) { return r.trajectories(f) }}} {
		if d.path == "" {
			continue
		}
		figure, err := d.draw()
		if err != nil {
			return err
		}
		if err := saveFigure(d.path, figure); err != nil {
			return err
		}
	}
	return nil
}

// load reads the data from the file or the study.
func (c *fitCmd) load(ctx context.Context) (f *frame.Frame, from provenance, err error) {
	if c.Study != "" {
		dir := c.Data
		if dir == "" {
			dir = "asem-data"
		}
		err = storage{Data: dir, Postgres: c.Postgres}.withExisting(ctx, func(h *house) error {
			set, err := h.dataset(ctx, c.Study, c.Frame, c.AsOf)
			f, from = set.Frame, provenance{data: set.Provenance.DataHash, study: c.Study, synthetic: set.Provenance.Synthetic, position: int64(set.Provenance.Position)}
			return err
		})
		return f, from, err
	}
	if c.Data == "" {
		return nil, from, &domain.Error{Code: domain.Invalid, Path: "--data", Message: "there is nothing to fit; name a CSV file with --data or a study with --study"}
	}
	if info, err := os.Stat(c.Data); err == nil && info.IsDir() {
		return nil, from, &domain.Error{Code: domain.Invalid, Path: c.Data, Message: "this is a folder; name a CSV file with --data, or a study of the folder with --study"}
	}
	text, err := os.ReadFile(c.Data)
	if err != nil {
		return nil, from, &domain.Error{Code: domain.Invalid, Path: c.Data, Message: "the file cannot be read", Err: err}
	}
	sum := sha256.Sum256(text)
	f, err = frame.ReadCSV(bytes.NewReader(text), c.csvOptions())
	if err != nil {
		return nil, from, &domain.Error{Code: domain.Invalid, Path: c.Data, Message: err.Error()}
	}
	return f, provenance{data: hex.EncodeToString(sum[:])}, nil
}

func (c *fitCmd) csvOptions() frame.CSVOptions {
	if len(c.NA) == 0 {
		return frame.CSVOptions{}
	}
	return frame.CSVOptions{Missing: append([]string{""}, c.NA...)}
}

// dataset returns a study's data for analysis: "waves" or "diary", as of a position.
func (h *house) dataset(ctx context.Context, study, which string, position int64) (projections.Dataset, error) {
	v, err := h.read.View(ctx, projections.AsOf{Position: events.Position(position)})
	if err != nil {
		return projections.Dataset{}, err
	}
	if which == "diary" {
		return v.DiaryFrame(ctx, study)
	}
	return v.WaveFrame(ctx, study)
}
