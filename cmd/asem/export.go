package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func (c *exportCmd) Run(ctx context.Context, std streams) error {
	return c.withExisting(ctx, func(h *house) error {
		set, err := h.dataset(ctx, c.Study, c.Frame, c.AsOf)
		if err != nil {
			return err
		}
		if c.Codebook {
			tab := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
			for _, v := range set.Variables {
				fmt.Fprintf(tab, "%s\t%s\t%s\n", v.Name, v.Meaning, v.Source)
			}
			return tab.Flush()
		}
		if c.Out == "" {
			return set.Frame.WriteCSV(std.out)
		}
		if err := writeFile(c.Out, set.Frame.WriteCSV); err != nil {
			return &domain.Error{Code: domain.Invalid, Path: c.Out, Message: "the file cannot be written", Err: err}
		}
		p := set.Provenance
		fmt.Fprintf(std.out, "%d rows at position %d, sha256 %s\n", set.Frame.Rows(), p.Position, p.DataHash)
		if p.Synthetic {
			fmt.Fprintln(std.out, "SYNTHETIC DATA, made by asem simulate. Not evidence.")
		}
		return nil
	})
}

// writeFile writes a file as a whole or not at all: a reader never sees half of it. What is not a regular file, such as a
// pipe, is written to directly; a link is followed.
func writeFile(path string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*") // readable for its owner alone, as answers should be
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing once renamed
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
