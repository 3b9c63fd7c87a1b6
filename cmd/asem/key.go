package main

import (
	"context"
	"errors"
	"fmt"

	"asem/events/proof"
	"asem/events/seal"
)

// keyCmd looks after the master key.
type keyCmd struct {
	Show   keyShowCmd   `cmd:"" help:"Print the names of the master keys and the key that verifies signatures."`
	Rotate keyRotateCmd `cmd:"" help:"Make a new master key and wrap all keys anew."`
	Forget keyForgetCmd `cmd:"" help:"Remove the master keys before the current one."`
}

type keyShowCmd struct{ storage }

func (c *keyShowCmd) Run(io streams) error {
	keys, err := seal.OpenFile(c.keyFile())
	if err != nil {
		return err
	}
	verifier, err := proof.VerifierOf(keys.Signer())
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "current master key: %s\nsignatures are verified by: %s\n", keys.Current(), verifier)
	return nil
}

type keyRotateCmd struct{ storage }

func (c *keyRotateCmd) Help() string {
	return `Makes a new master key in the key file and wraps the keys of all persons by it; the data are not touched. The old master key stays in
the file, because older backups need it: see asem key forget. Rotate when somebody who had the file leaves.

Example:
  asem key rotate --data study`
}

func (c *keyRotateCmd) Run(ctx context.Context, io streams) error {
	return c.withArchive(ctx, func(a *archived) error {
		if err := a.keys.Renew(); err != nil {
			return err
		}
		n, err := c.rewrap(ctx, a)
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "master key %s is in use; %d keys were wrapped anew\n", a.keys.Current(), n)
		return nil
	})
}

// rewrap wraps everything that a master key wraps by the current one.
func (s storage) rewrap(ctx context.Context, a *archived) (n int, err error) {
	if n, err = seal.New(a.log, a.keys).Rewrap(ctx); err != nil {
		return n, err
	}
	door, err := s.openAccess(ctx, a.keys)
	if err != nil {
		return n, err
	}
	more, err := door.Rewrap(ctx)
	return n + more, errors.Join(err, door.Close())
}

type keyForgetCmd struct {
	storage
	Backups string `help:"Folder of the backups, whose keyring is brought up to date first." env:"ASEM_BACKUPS" type:"path" placeholder:"DIR"`
}

func (c *keyForgetCmd) Help() string {
	return `Removes all master keys but the current one from the key file. Backups that were made under them can then be read no more. That is the last
step when a key has become known, and the way to make old copies of a database worthless.

Example:
  asem key forget --data study --backups backups`
}

func (c *keyForgetCmd) Run(ctx context.Context, io streams) error {
	return c.withArchive(ctx, func(a *archived) error {
		if _, err := c.rewrap(ctx, a); err != nil { // whatever is still wrapped by another
			return err
		}
		if c.Backups != "" {
			if err := c.updateBeside(ctx, c.Backups, a); err != nil {
				return err
			}
		}
		if err := a.keys.Forget(); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "only master key %s is left\n", a.keys.Current())
		return nil
	})
}
