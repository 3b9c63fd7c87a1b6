package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/projections"
)

// modelCmd looks after the models of change that a study follows.
type modelCmd struct {
	Register modelRegisterCmd `cmd:"" help:"Have a model fitted anew whenever data come in."`
	List     modelListCmd     `cmd:"" help:"List the models that a study follows."`
	Retire   modelRetireCmd   `cmd:"" help:"Follow a model no longer."`
}

type modelRegisterCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
	Name  string `help:"Name of the model in the study." required:"" placeholder:"NAME"`
	Spec  string `help:"The model, as for asem fit." required:"" type:"existingfile" placeholder:"FILE"`
	Frame string `help:"The data: waves or diary." default:"waves" enum:"waves,diary"`
}

func (c *modelRegisterCmd) Help() string {
	return `A server keeps registered models fitted and answers with the last estimate, which names the position of the log it stands on. A model
of the same name is replaced. The columns are those of the study's data; see asem export --codebook.

Example:
  asem model register --data study --study DEMO --name change-anxiety --spec change.yaml`
}

func (c *modelRegisterCmd) Run(ctx context.Context, io streams) error {
	s, err := readSpec(c.Spec)
	if err != nil {
		return err
	}
	m, err := s.registered(c.Name, c.Frame)
	if err != nil {
		return err
	}
	return c.withExisting(ctx, func(h *house) error {
		if err := h.order(ctx, domain.RegisterModel{Study: c.Study, Model: m}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "study %s follows model %s\n", c.Study, c.Name)
		return err
	})
}

// registered returns the spec as a study keeps it. Columns that every study's data have need not be named.
func (s modelSpec) registered(name, frame string) (domain.ChangeModel, error) {
	m := domain.ChangeModel{Name: name, Frame: frame, Kind: s.Kind, Outcome: s.Outcome, Time: s.Time, Fixed: s.Fixed, Random: s.Random, Contrasts: s.Contrasts, ResidualVariance: s.Residual.Variance,
		CrossPartner: s.Residual.CrossPartner, Serial: s.Residual.Serial, Predictors: s.Predictors, Reliability: s.Reliability, Pooled: s.Pooled, CompletePairs: s.Missing == "pair", Occasions: s.Waves,
		Method: s.Method, DF: s.DF, Level: s.Level, Exchangeable: s.Person != "" && s.Role == ""}
	if m.Time == "" {
		m.Time = s.Wave
	}
	if m.Time == "" {
		m.Time = map[string]string{"waves": "time", "diary": "day"}[frame]
	}
	if s.Site != "" {
		return m, &domain.Error{Code: domain.Invalid, Path: "site", Message: fmt.Sprintf("is %q; the data of a study have no such column", s.Site)}
	}
	for column, given := range map[string]string{"couple": s.Couple, "role": s.Role, "person": s.Person} {
		if given != "" && given != column {
			return m, &domain.Error{Code: domain.Invalid, Path: column, Message: fmt.Sprintf("is %q; in the data of a study the column is called %s", given, column)}
		}
	}
	return m, projections.SpecOf(m).Check()
}

// order carries out a command in the name of whoever runs the program.
func (h *house) order(ctx context.Context, c domain.Command) error {
	_, err := h.exec.Execute(ctx, domain.Order{ID: uuid.Must(uuid.NewV7()).String(), By: domain.Actor{Role: domain.ActorSystem, Subject: "asem"}, At: time.Now(), Command: c})
	if err != nil {
		return err
	}
	return h.catchUp(ctx)
}

type modelListCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
}

func (c *modelListCmd) Run(ctx context.Context, io streams) error {
	return c.withExisting(ctx, func(h *house) error {
		v, err := h.read.View(ctx, projections.AsOf{})
		if err != nil {
			return err
		}
		if _, err := v.Study(ctx, c.Study); err != nil {
			return err
		}
		list, err := v.Models(ctx, c.Study)
		if err != nil {
			return err
		}
		tab := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tab, "name\tkind\toutcome\tdata\tsince position")
		for _, m := range list {
			fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%d\n", m.Name, m.Kind, m.Outcome, m.Frame, m.Since)
		}
		return tab.Flush()
	})
}

type modelRetireCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
	Name  string `help:"Name of the model." required:"" placeholder:"NAME"`
}

func (c *modelRetireCmd) Run(ctx context.Context, io streams) error {
	return c.withExisting(ctx, func(h *house) error {
		if err := h.order(ctx, domain.RetireModel{Study: c.Study, Name: c.Name}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "study %s follows model %s no longer\n", c.Study, c.Name)
		return err
	})
}
