package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"asem/domain"
)

// exportCmd writes a study's data as the models see it.
type exportCmd struct {
	storage
	Study    string `help:"Code of the study." required:"" placeholder:"CODE"`
	Frame    string `help:"Which data: ${enum}." enum:"waves,diary" default:"waves"`
	AsOf     int64  `help:"As of this position of the log; 0 is now." placeholder:"POSITION"`
	Out      string `help:"File to write; standard output if not given." placeholder:"FILE"`
	Codebook bool   `help:"Print what each column means instead."`
}

func (c *exportCmd) Help() string {
	return `Examples:
  asem export --study DEMO --out waves.csv
  asem export --study DEMO --frame diary --codebook`
}

func (c *exportCmd) Run(ctx context.Context, io streams) error {
	return c.with(ctx, func(h *house) error {
		set, err := h.dataset(ctx, c.Study, c.Frame, c.AsOf)
		if err != nil {
			return err
		}
		if c.Codebook {
			tab := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
			for _, v := range set.Variables {
				fmt.Fprintf(tab, "%s\t%s\t%s\n", v.Name, v.Meaning, v.Source)
			}
			return tab.Flush()
		}
		if c.Out == "" {
			return set.Frame.WriteCSV(io.out)
		}
		f, err := os.CreateTemp(filepath.Dir(c.Out), ".export-*")
		if err != nil {
			return &domain.Error{Code: domain.Invalid, Path: c.Out, Message: "the file cannot be written", Err: err}
		}
		defer os.Remove(f.Name()) // does nothing once renamed
		if err := set.Frame.WriteCSV(f); err != nil {
			f.Close()
			return fmt.Errorf("write %s: %w", c.Out, err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("write %s: %w", c.Out, err)
		}
		if err := os.Rename(f.Name(), c.Out); err != nil {
			return fmt.Errorf("write %s: %w", c.Out, err)
		}
		p := set.Provenance
		fmt.Fprintf(io.out, "%d rows at position %d, sha256 %s\n", set.Frame.Rows(), p.Position, p.DataHash)
		if p.Synthetic {
			fmt.Fprintln(io.out, "SYNTHETIC DATA, made by asem simulate. Not evidence.")
		}
		return nil
	})
}
