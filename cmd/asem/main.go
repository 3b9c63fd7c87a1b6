// Command asem runs a longitudinal couples study, from consent to fitted model.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"asem/analysis/mixed"
	"asem/domain"
	"asem/projections"
)

// commands lists every verb, each in a file of its own name.
type commands struct {
	Demo        demoCmd        `cmd:"" help:"Create the example study, fit its change model, print the table and serve it."`
	Serve       serveCmd       `cmd:"" help:"Serve the studies of a data folder or database: pages and GraphQL."`
	Import      importCmd      `cmd:"" help:"Bring a CSV data set into a study, as events."`
	Study       studyCmd       `cmd:"" help:"Plan studies: ready plans, plans of your own, their versions."`
	Instrument  instrumentCmd  `cmd:"" help:"List the scoring keys that ship, or bring in an instrument of your own."`
	Fit         fitCmd         `cmd:"" help:"Fit a model to a CSV file or to a study."`
	Agreement   agreementCmd   `cmd:"" help:"Say how far judges agree, in a CSV file or a study."`
	Reliability reliabilityCmd `cmd:"" help:"Say how reliable a scale is, asked once or every day."`
	Export      exportCmd      `cmd:"" help:"Write a study's data for analysis as CSV."`
	Simulate    simulateCmd    `cmd:"" help:"Make a synthetic study with known effects."`
	Rebuild     rebuildCmd     `cmd:"" help:"Build the read models anew from the log."`
	Model       modelCmd       `cmd:"" help:"Look after the models of change that a study follows."`
	Verify      verifyCmd      `cmd:"" help:"Prove that nothing in the log was changed."`
	Backup      backupCmd      `cmd:"" help:"Copy the log to an encrypted file, while the study goes on."`
	Restore     restoreCmd     `cmd:"" help:"Make a data folder or database from a backup."`
	Key         keyCmd         `cmd:"" help:"Look after the master key."`
	Erase       eraseCmd       `cmd:"" help:"Erase everything that was kept of one person."`
	User        userCmd        `cmd:"" help:"Look after those who work in studies and sign in to its pages."`
	Token       tokenCmd       `cmd:"" help:"Give a researcher a token to read a study."`

	Version kong.VersionFlag `help:"Print the version."`
}

// version names the program and its engine, with the revision it was built from where that is known.
func version() string {
	v := "asem, " + projections.EngineVersion
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += ", revision " + s.Value
			}
		}
	}
	return v
}

// streams are where a command reads and writes.
type streams struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run carries out a command line and returns the exit code: 0 done, 1 cannot be done, 2 bad input.
func run(ctx context.Context, args []string, io streams) int {
	var cmds commands
	exit := -1
	parser, err := kong.New(&cmds, kong.Name("asem"), kong.UsageOnError(), kong.Writers(io.out, io.err),
		kong.Vars{"version": version()}, kong.Description("A longitudinal couples study, from consent to fitted model."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.DefaultEnvars("ASEM"),
		kong.Exit(func(code int) { exit = code }), kong.Configuration(yamlConfig, "asem.yaml"),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(io))
	if err != nil {
		fmt.Fprintln(io.err, "asem:", err)
		return 2
	}
	if len(args) == 0 {
		_, _ = parser.Parse([]string{"--help"})
		return 2
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help was answered
		return exit
	}
	if err != nil {
		fmt.Fprintln(io.err, "asem:", err)
		return 2
	}
	if err := k.Run(); err != nil {
		return report(io.err, err)
	}
	return 0
}

// report prints an error, one line a problem, and returns the exit code that fits it.
func report(w io.Writer, err error) int {
	for _, e := range unjoin(err) {
		fmt.Fprintln(w, "asem:", e)
	}
	var unfit *mixed.NotConvergedError
	switch code := domain.CodeOf(err); {
	case errors.As(err, &unfit), errors.Is(err, context.Canceled):
		return 1
	case code == domain.Invalid, code == domain.NotFound, code == domain.Conflict:
		return 2
	}
	return 1
}

// unjoin splits joined errors.
func unjoin(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) && strings.Contains(err.Error(), "\n") {
		var list []error
		for _, e := range many.Unwrap() {
			list = append(list, unjoin(e)...)
		}
		return list
	}
	return []error{err}
}

// newLogger returns the program's log: JSON, without personal data.
func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
