package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/studyfile"
	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// studyCmd deals with the plans of studies.
type studyCmd struct {
	List     studyListCmd     `cmd:"" help:"List the ready plans to start from."`
	Template studyTemplateCmd `cmd:"" help:"Print a ready plan, to be changed."`
	Schemes  studySchemesCmd  `cmd:"" help:"Print the ready coding schemes, to be copied into a plan."`
	Validate studyValidateCmd `cmd:"" help:"Say what is wrong with a plan, or what it asks of each person."`
	Create   studyCreateCmd   `cmd:"" help:"Create a study from a plan."`
	Publish  studyPublishCmd  `cmd:"" help:"Put a new version of a study's plan in force."`
	Show     studyShowCmd     `cmd:"" help:"Print the plan of a study as it is in force."`
}

type studyListCmd struct{}

func (c *studyListCmd) Run(io streams) error {
	tab := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "plan\tfor")
	for _, t := range studyfile.Templates() {
		fmt.Fprintf(tab, "%s\t%s\n", t.Name, t.Title)
	}
	return tab.Flush()
}

type studyTemplateCmd struct {
	Name string `arg:"" help:"Name of the ready plan; see asem study list."`
}

func (c *studyTemplateCmd) Help() string {
	return `The comments in a ready plan explain every key.

Example:
  asem study template eight-months > my-study.yaml`
}

func (c *studyTemplateCmd) Run(io streams) error {
	t, ok := studyfile.TemplateNamed(c.Name)
	if !ok {
		var names []string
		for _, t := range studyfile.Templates() {
			names = append(names, t.Name)
		}
		return &domain.Error{Code: domain.NotFound, Path: c.Name, Message: "there is no such ready plan" + yamltext.DidYouMean(c.Name, names) + "; see asem study list"}
	}
	_, err := io.out.Write(t.Text)
	return err
}

type studySchemesCmd struct{}

func (c *studySchemesCmd) Run(io streams) error {
	_, err := io.out.Write(studyfile.SchemesText())
	return err
}

type studyValidateCmd struct {
	File string `arg:"" help:"The plan as a YAML file, or the name of a ready one."`
}

func (c *studyValidateCmd) Help() string {
	return `Names everything that is wrong with a plan, each with its line and column, or says what each person will be asked, how long that takes, and the
sha256 of the plan of analysis. Exit code 2: something is wrong. What is allowed and should be looked at is told as a warning.

Example:
  asem study validate my-study.yaml`
}

func (c *studyValidateCmd) Run(io streams) error {
	p, err := readPlan(c.File, studyfile.Context{})
	if err != nil {
		return err
	}
	if err := p.Summary(io.out); err != nil {
		return err
	}
	warn(io.out, p)
	return nil
}

func warn(w io.Writer, p *studyfile.Plan) {
	for _, text := range p.Warnings {
		fmt.Fprintln(w, "warning:", text)
	}
}

// readPlan reads a plan from a file, or a ready one.
func readPlan(name string, in studyfile.Context) (*studyfile.Plan, error) {
	if t, ok := studyfile.TemplateNamed(name); ok {
		return studyfile.Read(name+".yaml", t.Text, in)
	}
	if info, err := os.Stat(name); err == nil && info.Size() > yamltext.MaxBytes {
		return nil, &domain.Error{Code: domain.Invalid, Path: name, Message: fmt.Sprintf("the file has %d bytes; expected at most %d", info.Size(), yamltext.MaxBytes)}
	}
	text, err := readInput(name)
	if err != nil {
		return nil, err
	}
	beside, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: name, Message: "the folder of the file cannot be read", Err: err}
	}
	defer func() { _ = beside.Close() }() // everything was read
	in.Files = beside.FS()
	return studyfile.Read(name, text, in)
}

type studyCreateCmd struct {
	storage
	From   string `help:"The plan as a YAML file, or the name of a ready one (asem study list)." required:"" placeholder:"FILE"`
	Code   string `help:"Code of the study, instead of the plan's." placeholder:"CODE"`
	Title  string `help:"Title of the study, instead of the plan's."`
	Zone   string `help:"Time zone of the lab, instead of the plan's: Europe/Berlin."`
	DryRun bool   `help:"Say what would be done, and do nothing."`
}

func (c *studyCreateCmd) Help() string {
	return `Creates a study, registers its instruments and puts the first version of its plan in force, all or nothing. Doing it again changes nothing.

Examples:
  asem study create --from quick --code TRY
  asem study create --from my-study.yaml --dry-run`
}

func (c *studyCreateCmd) Run(ctx context.Context, io streams) error {
	p, err := readPlan(c.From, studyfile.Context{Code: c.Code, Title: c.Title, Zone: c.Zone})
	if err != nil {
		return err
	}
	return c.with(ctx, func(h *house) error {
		orders, err := planOrders(p, 1, domain.CreateStudy{Study: p.Code, Title: p.Title, Zone: p.Zone})
		if err != nil {
			return err
		}
		n, err := h.publish(ctx, p, orders, c.DryRun)
		switch {
		case err != nil:
			return err
		case n == 0:
			fmt.Fprintf(io.out, "study %s exists already, with this plan; nothing was changed\n", p.Code)
		case c.DryRun:
			fmt.Fprintf(io.out, "study %s would be created: %s; %d events. Nothing was done.\n", p.Code, p.Title, n)
		default:
			fmt.Fprintf(io.out, "study %s was created: %s; version 1 of its plan is in force\n", p.Code, p.Title)
		}
		warn(io.err, p)
		return nil
	})
}

type studyPublishCmd struct {
	storage
	Study  string `help:"Code of the study." required:"" placeholder:"CODE"`
	DryRun bool   `help:"Say what would change, and change nothing."`
	File   string `arg:"" help:"The plan as a YAML file."`
}

func (c *studyPublishCmd) Help() string {
	return `Puts the next version of a plan in force, and tells in words what differs from the one before. Waves that couples may have answered keep their
place and month, roles and arms stay, and a version of an instrument never changes; new ones may be added.

Examples:
  asem study show --study EIGHT > eight.yaml
  asem study publish --study EIGHT --dry-run eight.yaml
  asem study publish --study EIGHT eight.yaml`
}

func (c *studyPublishCmd) Run(ctx context.Context, io streams) error {
	return c.withExisting(ctx, func(h *house) error {
		past, err := h.exec.Past(ctx, c.Study, "")
		if err != nil {
			return err
		}
		now := past.Study
		if !now.Exists() {
			return &domain.Error{Code: domain.NotFound, Path: "study", Message: fmt.Sprintf("there is no study %q; create it with asem study create", c.Study)}
		}
		p, err := readPlan(c.File, studyfile.Context{Study: now})
		if err != nil {
			return err
		}
		changes := studyfile.Changes(now, p)
		if len(changes) == 0 {
			fmt.Fprintf(io.out, "this is the plan of study %s that is in force, version %d; nothing was changed\n", c.Study, now.Protocol.Version)
			return nil
		}
		next := now.Protocol.Version + 1
		orders, err := planOrders(p, next)
		if err != nil {
			return err
		}
		if _, err := h.publish(ctx, p, orders, c.DryRun); err != nil {
			return err
		}
		for _, line := range changes {
			fmt.Fprintln(io.out, line)
		}
		if c.DryRun {
			fmt.Fprintf(io.out, "\nThis would be version %d of the plan of study %s. Nothing was done.\n", next, c.Study)
		} else {
			fmt.Fprintf(io.out, "\nVersion %d of the plan of study %s is in force.\n", next, c.Study)
		}
		warn(io.err, p)
		return nil
	})
}

// planOrders returns the orders that put a plan in force as a version. Where it randomises, the secret is drawn from which arms will follow; a study that
// has one keeps it.
func planOrders(p *studyfile.Plan, version int, first ...domain.Command) ([]domain.Order, error) {
	list := first
	for _, in := range p.Instruments {
		list = append(list, domain.RegisterInstrument{Study: p.Code, Instrument: in})
	}
	protocol := p.Protocol
	protocol.Version = version
	list = append(list, domain.PublishProtocol{Study: p.Code, Protocol: protocol})
	if protocol.Randomise != nil {
		seed := make([]byte, 32)
		if _, err := rand.Read(seed); err != nil {
			return nil, fmt.Errorf("draw the secret of the randomisation: %w", err)
		}
		list = append(list, domain.SeedRandomisation{Study: p.Code, Seed: seed})
	}
	orders := make([]domain.Order, len(list))
	for i, c := range list {
		orders[i] = domain.Order{By: domain.Actor{Role: domain.ActorSystem, Subject: "asem study"}, At: time.Now(), Command: c}
	}
	return orders, nil
}

// publish carries out the orders of a plan and returns how many events that made, or would make.
func (h *house) publish(ctx context.Context, p *studyfile.Plan, orders []domain.Order, dry bool) (int, error) {
	if dry {
		plan, err := h.exec.Plan(ctx, orders)
		return plan.Events, p.Explain(err)
	}
	r, err := h.exec.ExecuteAll(ctx, uuid.Must(uuid.NewV7()), orders)
	if err != nil {
		return 0, p.Explain(err)
	}
	return r.Events, h.catchUp(ctx)
}

type studyShowCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
}

func (c *studyShowCmd) Help() string {
	return `Prints what was published, without the comments of the file it came from: repeated diaries stand one by one, and instruments of the lab in full.

Example:
  asem study show --study EIGHT > eight.yaml`
}

func (c *studyShowCmd) Run(ctx context.Context, io streams) error {
	return c.withExisting(ctx, func(h *house) error {
		past, err := h.exec.Past(ctx, c.Study, "")
		if err != nil {
			return err
		}
		if !past.Study.Exists() || past.Study.Protocol.Version == 0 {
			return &domain.Error{Code: domain.NotFound, Path: "study", Message: fmt.Sprintf("there is no study %q with a published plan", c.Study)}
		}
		text, err := studyfile.Print(past.Study)
		if err != nil {
			return err
		}
		_, err = io.out.Write(text)
		return err
	})
}
