package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/dataimport"
	"asem/domain"
)

// instrumentCmd deals with instruments.
type instrumentCmd struct {
	List   instrumentListCmd   `cmd:"" help:"List the scoring keys that ship."`
	Import instrumentImportCmd `cmd:"" help:"Bring an instrument, or the wording for a key that ships, into a study."`
}

type instrumentListCmd struct{}

func (c *instrumentListCmd) Run(io streams) error {
	tab := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "instrument\titems\tscales\twording\ttitle")
	for _, in := range domain.Keys() {
		scales := ""
		for i, s := range in.Scales {
			if i > 0 {
				scales += ", "
			}
			scales += s.Code
		}
		wording := "load your own"
		if len(in.Items) > 0 && len(in.Items[0].Text) > 0 {
			wording = "ships"
		}
		fmt.Fprintf(tab, "%s\t%d\t%s\t%s\t%s\n", in.Ref(), len(in.Items), scales, wording, in.Title)
	}
	return tab.Flush()
}

type instrumentImportCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
	File  string `arg:"" help:"The instrument as a YAML file."`
}

func (c *instrumentImportCmd) Help() string {
	return `Published instruments ship as scoring keys without wording. Load the wording that your lab may use:

  extends: ecr-rs@2011
  version: 2011-en-lab
  items:
    rs01: {en: "..."}

Example:
  asem instrument import --study MQ5 ecr-rs-en.yaml`
}

func (c *instrumentImportCmd) Run(ctx context.Context, io streams) error {
	text, err := readInput(c.File)
	if err != nil {
		return err
	}
	in, err := dataimport.ParseInstrument(filepath.Base(c.File), text)
	if err != nil {
		return err
	}
	return c.with(ctx, func(h *house) error {
		order := domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: domain.ActorSystem, Subject: "import"}, At: time.Now(),
			Command: domain.RegisterInstrument{Study: c.Study, Instrument: in}}
		r, err := h.exec.Execute(ctx, order)
		if err != nil {
			return err
		}
		if r.Events == 0 {
			fmt.Fprintf(io.out, "%s was registered before; nothing was added\n", in.Ref())
			return nil
		}
		fmt.Fprintf(io.out, "registered %s in study %s\n", in.Ref(), c.Study)
		return h.catchUp(ctx)
	})
}
