package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"asem/domain"
	"asem/events"
	"asem/events/backup"
	"asem/events/postgres"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
)

// archived is a log as it is kept, with its keys: what needs no read models, and so no folder for itself.
type archived struct {
	log  events.Archive
	keys *seal.File
}

// openArchive opens a log beside whoever else has it open.
func (s storage) openArchive(ctx context.Context) (*archived, error) {
	var log events.Archive
	var err error
	if s.Postgres != "" {
		log, err = postgres.Open(ctx, s.Postgres)
	} else {
		log, err = sqlite.Open(ctx, filepath.Join(s.Data, "log.db"))
	}
	if err != nil {
		return nil, err
	}
	keys, err := s.openKeys(ctx, log)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &archived{log, keys}, nil
}

// withArchive does something with a log that exists.
func (s storage) withArchive(ctx context.Context, do func(*archived) error) error {
	if err := s.mustExist(); err != nil {
		return err
	}
	a, err := s.openArchive(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.log.Close())
}

// verify checks the log, also against notes kept elsewhere.
func (a *archived) verify(ctx context.Context, notes []string, progress func(done, head events.Position)) (proof.Report, error) {
	verifier, err := proof.VerifierOf(a.keys.Signer())
	if err != nil {
		return proof.Report{}, err
	}
	return proof.Verify(ctx, a.log, proof.Options{Verifiers: []string{verifier}, Trusted: notes, Open: seal.New(a.log, a.keys).Unseal, Tombstone: events.Tombstone, Progress: progress})
}

// verifyCmd proves that nothing was changed.
type verifyCmd struct {
	storage
	Checkpoints []string `name:"checkpoint" help:"A signed checkpoint that was kept elsewhere, to hold the log against. May be repeated." type:"existingfile" placeholder:"FILE"`
	Backup      string   `help:"Check this backup instead of the log." type:"existingfile" placeholder:"FILE"`
	Write       string   `help:"Write the signed checkpoints of all studies to this folder, for somebody else to keep." type:"path" placeholder:"DIR"`
}

func (c *verifyCmd) Help() string {
	return `Reads the whole log and proves that no event was changed, removed, put in or moved since it was appended; or names the place.
It may run beside a server. Then it signs the trees of the studies. Somebody who can rewrite the whole database is found out by
checkpoints that were kept elsewhere: write them to a folder now and then, and give them to an institution or a notary.

Examples:
  asem verify --data study --write checkpoints
  asem verify --data study --checkpoint checkpoints/DEMO-1961.txt`
}

func (c *verifyCmd) Run(ctx context.Context, io streams) error {
	if c.Backup != "" {
		return c.checkBackup(ctx, io)
	}
	notes := make([]string, len(c.Checkpoints))
	for i, path := range c.Checkpoints {
		text, err := os.ReadFile(path)
		if err != nil {
			return &domain.Error{Code: domain.Invalid, Path: path, Message: "the checkpoint cannot be read", Err: err}
		}
		notes[i] = string(text)
	}
	return c.withArchive(ctx, func(a *archived) error {
		line := &progressLine{w: io.err}
		r, err := a.verify(ctx, notes, func(done, head events.Position) { line.show("verifying", int64(done), int64(head)) })
		line.end()
		if err != nil {
			return err
		}
		if len(r.Findings) > 0 {
			for _, f := range r.Findings {
				fmt.Fprintln(io.out, f)
			}
			return fmt.Errorf("the log is not as it was written: %d findings", len(r.Findings))
		}
		fmt.Fprintf(io.out, "%d events up to position %d are as they were appended; %d signed trees agree, %d events were erased\n", r.Events, r.Head, r.Signed, r.Erased)
		for _, t := range r.Trees {
			fmt.Fprintf(io.out, "study %s: %d events, root %s\n", t.Study, t.Size, t.Root)
		}
		return c.sign(ctx, a, r, io)
	})
}

// sign signs what was found in order.
func (c *verifyCmd) sign(ctx context.Context, a *archived, r proof.Report, io streams) error {
	for _, t := range r.Trees {
		s, err := proof.Sign(ctx, a.log, a.keys.Signer(), t.Study, time.Now())
		if err != nil {
			return err
		}
		if c.Write == "" {
			continue
		}
		if err := os.MkdirAll(c.Write, 0o755); err != nil {
			return &domain.Error{Code: domain.Invalid, Path: c.Write, Message: "the folder of the checkpoints cannot be made", Err: err}
		}
		path := filepath.Join(c.Write, fmt.Sprintf("%s-%d.txt", s.Study, s.Size))
		if err := os.WriteFile(path, []byte(s.Note), 0o644); err != nil {
			return &domain.Error{Code: domain.Invalid, Path: path, Message: "the checkpoint cannot be written", Err: err}
		}
		fmt.Fprintf(io.out, "wrote %s\n", path)
	}
	return nil
}

func openBackup(path string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the backup cannot be read", Err: err}
		}
		return f, nil
	}
}

func (c *verifyCmd) checkBackup(ctx context.Context, io streams) error {
	keys, err := seal.OpenFile(c.keyFile(), c.kms())
	if err != nil {
		return err
	}
	verifier, err := proof.VerifierOf(keys.Signer())
	if err != nil {
		return err
	}
	f, err := openBackup(c.Backup)()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	s, err := backup.Check(ctx, f, keys, verifier)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "the backup of %s is whole: %d events up to position %d, as they were signed\n", s.CreatedAt.Format(time.RFC3339), s.Events, s.Head)
	return nil
}
