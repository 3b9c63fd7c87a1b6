package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/events"
	"asem/events/backup"
	"asem/events/postgres"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
)

// backupCmd copies the log to a file.
type backupCmd struct {
	storage
	Dir         string `arg:"" help:"Folder of the backups." type:"path"`
	KeepLast    int    `help:"Afterwards keep this many of the newest backups. With none of the keep flags all are kept." placeholder:"N"`
	KeepDaily   int    `help:"Keep the last backup of each of so many days." placeholder:"N"`
	KeepMonthly int    `help:"Keep the last backup of each of so many months." placeholder:"N"`
}

func (c *backupCmd) Help() string {
	return `Writes everything that the log holds to a new file in the folder, encrypted under the master key, while the study goes on;
and brings up to date what lies beside: the keyring, who may come in, and the videos (each is copied once). Read models are not in it: they are built again from the log.
The key file must be kept elsewhere: without it a backup is worthless, and with it everything can be read.

Examples:
  asem backup backups --data study --keep-daily 14 --keep-monthly 24
  asem restore backups/asem-20261123T180000Z.backup --data restored`
}

// backupName is how the files are called: by the second in which they were begun, UTC.
const backupTime = "20060102T150405Z"

var backupName = regexp.MustCompile(`^asem-(\d{8}T\d{6}Z)\.backup$`)

func (c *backupCmd) Run(ctx context.Context, io streams) error {
	if c.KeepLast < 0 || c.KeepDaily < 0 || c.KeepMonthly < 0 {
		return &domain.Error{Code: domain.Invalid, Path: "--keep", Message: "a number of backups to keep is negative"}
	}
	return c.withArchive(ctx, func(a *archived) error {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return &domain.Error{Code: domain.Invalid, Path: c.Dir, Message: "the folder of the backups cannot be made", Err: err}
		}
		path := filepath.Join(c.Dir, "asem-"+time.Now().UTC().Format(backupTime)+".backup")
		line := &progressLine{w: io.err}
		s, err := a.backUp(ctx, path, func(done, head events.Position) { line.show("backing up", int64(done), int64(head)) })
		line.end()
		if err != nil {
			return err
		}
		if err := c.updateBeside(ctx, c.Dir, a); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s: %d events up to position %d\n", path, s.Events, s.Head)
		if err := c.prune(io); err != nil {
			return err
		}
		n, err := c.copyVideos(ctx, c.Dir, a)
		if n > 0 {
			fmt.Fprintf(io.out, "videos in %s: %d\n", filepath.Join(c.Dir, videoCopies), n)
		}
		return err
	})
}

// accessCopy is the file beside the backups of a folder that says who may come in, as it is after the last of them. There is one, not one for each backup, so
// that an erasure reaches it.
const accessCopy = "access.sealed"

// updateBeside brings up to date what lies beside backups: the keyring, who may come in, and the videos, of which those go that are kept no longer.
func (s storage) updateBeside(ctx context.Context, dir string, a *archived) error {
	if err := backup.KeyringIn(dir).Update(ctx, a.log); err != nil {
		return err
	}
	door, err := s.openAccess(ctx, a.keys)
	if err != nil {
		return err
	}
	text, err := door.Copy(ctx)
	if err = errors.Join(err, door.Close()); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, accessCopy), text); err != nil {
		return err
	}
	videos, err := keptVideos(ctx, seal.New(a.log, a.keys))
	if err != nil {
		return err
	}
	return media.WipeOthers(filepath.Join(dir, videoCopies), videos)
}

// replaceFile writes a new file, for its owner alone, puts it in the place of the old one once it is durable, and wipes that.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".access-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	old, openErr := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
	}
	if openErr != nil {
		return nil //nolint:nilerr // there was none
	}
	info, err := old.Stat()
	if err == nil {
		_, err = old.WriteAt(make([]byte, info.Size()), 0)
	}
	return errors.Join(err, old.Sync(), old.Close())
}

// restoreAccess lets in again who may come in by the copy beside a backup, if there is one; but nobody who was erased since.
func (c *restoreCmd) restoreAccess(ctx context.Context, h *house) error {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.File), accessCopy))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read who may come in: %w", err)
	}
	err = h.access.Restore(ctx, text)
	if domain.CodeOf(err) == domain.Conflict { // a PostgreSQL database that has them still
		return nil
	}
	return errors.Join(err, h.finishErasures(ctx))
}

// backUp writes a backup under a name that it only gets when it is whole and on the disk.
func (a *archived) backUp(ctx context.Context, path string, progress backup.Progress) (s backup.Summary, err error) {
	tmp, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return s, &domain.Error{Code: domain.Invalid, Path: path, Message: "the backup cannot be written here", Err: err}
	}
	s, err = backup.Write(ctx, tmp, a.log, a.keys, a.keys.Signer(), progress)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return s, errors.Join(err, os.Remove(tmp.Name()))
	}
	return s, nil
}

// prune removes the backups that nothing asks to keep.
func (c *backupCmd) prune(io streams) error {
	if c.KeepLast+c.KeepDaily+c.KeepMonthly == 0 {
		return nil
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		return fmt.Errorf("list the backups: %w", err)
	}
	var times []time.Time
	for _, f := range files {
		if m := backupName.FindStringSubmatch(f.Name()); m != nil {
			if at, err := time.Parse(backupTime, m[1]); err == nil {
				times = append(times, at)
			}
		}
	}
	for _, at := range expired(times, c.KeepLast, c.KeepDaily, c.KeepMonthly) {
		name := "asem-" + at.Format(backupTime) + ".backup"
		if err := os.Remove(filepath.Join(c.Dir, name)); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		fmt.Fprintf(io.out, "removed %s\n", name)
	}
	return nil
}

// expired returns the times of the backups to be removed: all but the newest last, and the newest of each of so many days and
// months that have one. The newest of all is never among them.
func expired(times []time.Time, last, daily, monthly int) []time.Time {
	times = slices.Clone(times)
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	keep := map[time.Time]bool{}
	for _, rule := range []struct {
		n      int
		period string // layout under which times of one period are equal
	}{{max(last, 1), backupTime}, {daily, "20060102"}, {monthly, "200601"}} {
		seen := map[string]bool{}
		for _, t := range times {
			p := t.Format(rule.period)
			if len(seen) < rule.n && !seen[p] {
				seen[p], keep[t] = true, true
			}
		}
	}
	return slices.DeleteFunc(times, func(t time.Time) bool { return keep[t] })
}

// restoreCmd makes a log from a backup.
type restoreCmd struct {
	storage
	File     string `arg:"" help:"The backup." type:"existingfile"`
	Position int64  `help:"Restore only up to this position of the log." placeholder:"N"`
}

func (c *restoreCmd) Help() string {
	return `Fills an empty data folder or database from a backup, checks it against the signed trees in the backup, and builds the read
models. The keyring must lie beside the backup, and the key file must be the one the backup was made with (ASEM_MASTER_KEY_FILE).
Who was erased after the backup was made stays erased. Users, participants' codes and PINs are as at the last backup of the folder; nobody is signed in.
Videos come from beside the backup, and each is read to its end.

Example:
  asem restore backups/asem-20261123T180000Z.backup --data restored --master-key-file /safe/keys`
}

func (c *restoreCmd) Run(ctx context.Context, io streams) error {
	if _, err := os.Stat(c.keyFile()); err != nil {
		return &domain.Error{Code: domain.NotFound, Path: c.keyFile(), Message: "there is no key file; name the one the backup was made with by --master-key-file", Err: err}
	}
	line := &progressLine{w: io.err}
	defer line.end()
	site := c.site()
	if err := site.check(ctx); err != nil {
		return err
	}
	if err := site.clear(ctx); err != nil { // of what an earlier one left
		return err
	}
	err := c.restore(ctx, site, io, line)
	if err == nil {
		err = site.moveIn(ctx)
	}
	if err != nil {
		return errors.Join(err, site.clear(context.WithoutCancel(ctx))) // nothing half-written is left behind
	}
	return c.with(ctx, func(h *house) error {
		return errors.Join(c.restoreAccess(ctx, h), c.restoreVideos(ctx, h, io))
	})
}

// site is where a log is restored: apart, until all of it is there. A restore that is killed leaves nothing that passes for a log, and can be repeated.
type site struct {
	check  func(ctx context.Context) error // that there is no log yet where it is to go
	open   func(ctx context.Context) (events.Archive, error)
	moveIn func(ctx context.Context) error
	clear  func(ctx context.Context) error
}

func (s storage) site() site {
	const schema = postgres.DefaultSchema + "_restoring"
	if s.Postgres != "" {
		return site{
			check:  func(ctx context.Context) error { return postgres.CheckEmpty(ctx, s.Postgres, postgres.DefaultSchema) },
			open:   func(ctx context.Context) (events.Archive, error) { return postgres.OpenSchema(ctx, s.Postgres, schema) },
			moveIn: func(ctx context.Context) error { return postgres.Move(ctx, s.Postgres, schema, postgres.DefaultSchema) },
			clear:  func(ctx context.Context) error { return postgres.Drop(ctx, s.Postgres, schema) },
		}
	}
	place, dir := filepath.Join(s.Data, "log.db"), filepath.Join(s.Data, "restoring")
	return site{
		check: func(context.Context) error {
			if _, err := os.Stat(place); err == nil {
				return &domain.Error{Code: domain.Conflict, Path: s.Data, Message: "there is a log already; a backup is restored to an empty folder"}
			}
			return nil
		},
		open: func(ctx context.Context) (events.Archive, error) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, &domain.Error{Code: domain.Invalid, Path: s.Data, Message: "the data folder cannot be made", Err: err}
			}
			return sqlite.Open(ctx, filepath.Join(dir, "log.db"))
		},
		moveIn: func(context.Context) error {
			if err := os.Link(filepath.Join(dir, "log.db"), place); err != nil { // unlike a renaming it never replaces a log
				return fmt.Errorf("put the restored log in its place: %w", err)
			}
			return os.RemoveAll(dir)
		},
		clear: func(context.Context) error { return os.RemoveAll(dir) },
	}
}

func (c *restoreCmd) restore(ctx context.Context, site site, io streams, line *progressLine) error {
	log, err := site.open(ctx)
	if err != nil {
		return err
	}
	keys, err := seal.OpenFile(c.keyFile(), c.kms())
	if err != nil {
		return errors.Join(err, log.Close())
	}
	return errors.Join(c.fill(ctx, &archived{log, keys}, io, line), log.Close())
}

func (c *restoreCmd) fill(ctx context.Context, a *archived, out streams, line *progressLine) error {
	verifier, err := proof.VerifierOf(a.keys.Signer())
	if err != nil {
		return err
	}
	s, err := backup.Restore(ctx, openBackup(c.File), a.log, a.keys, events.Position(c.Position),
		func(done, head events.Position) { line.show("restoring", int64(done), int64(head)) }, verifier)
	if err != nil {
		return err
	}
	gone, err := backup.KeyringIn(filepath.Dir(c.File)).Restore(ctx, a.log)
	if err != nil {
		return err
	}
	if err := a.repeatErasures(ctx, gone); err != nil {
		return err
	}
	r, err := a.verify(ctx, nil, func(done, head events.Position) { line.show("checking", int64(done), int64(head)) })
	line.end()
	if err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		return fmt.Errorf("the restored log is not in order: %s", r.Findings[0])
	}
	fmt.Fprintf(out.out, "restored %d events up to position %d; checked\n", r.Events, s.Head)
	return nil
}

// repeatErasures puts into a restored log the tombstones of those who were erased after the moment it was restored to.
func (a *archived) repeatErasures(ctx context.Context, gone []string) error {
	log := seal.New(a.log, a.keys)
	exec := events.NewExecutor(log)
	for _, owner := range gone {
		part := strings.Split(owner, "/")
		if len(part) != 3 { // a couple's goes with the last partner
			continue
		}
		study, couple, role := part[0], part[1], domain.Role(part[2])
		past, err := log.ReadStream(ctx, events.CoupleStream(study, couple), 0, 0)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(past, func(e events.Envelope) bool { return e.Owner == owner }) {
			continue
		}
		_, err = exec.Execute(ctx, domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: domain.ActorSystem, Subject: "asem restore"}, At: time.Now(),
			Command: domain.RepeatErasure{Study: study, Couple: couple, Role: role, Last: slices.Contains(gone, events.Owner(study, couple, ""))}})
		if err != nil {
			return err
		}
	}
	return nil
}
