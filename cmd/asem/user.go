package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/events"
)

// userCmd looks after staff. Its verbs work beside a server.
type userCmd struct {
	Add     userAddCmd     `cmd:"" help:"Give somebody a role in a study; who is new gets a set-up link."`
	Remove  userRemoveCmd  `cmd:"" help:"Take a role in a study from somebody."`
	List    userListCmd    `cmd:"" help:"List all users with their roles."`
	Disable userDisableCmd `cmd:"" help:"Let somebody in no more."`
	Reset   userResetCmd   `cmd:"" help:"Make a new set-up link for somebody who lost password or phone, or was disabled."`
}

// linkBase is where set-up links lead.
type linkBase struct {
	URL string `name:"url" help:"Address at which people reach the server." default:"http://127.0.0.1:8080" env:"ASEM_URL" placeholder:"URL"`
}

// setupLink carries its code behind #, which browsers do not send: it stands in no log and no referrer.
func setupLink(base, setup string) string {
	return strings.TrimRight(base, "/") + "/staff/setup#setup=" + setup
}

const setupHint = "It works once, for three days. Whoever has it sets the password: send it by a way that only this person reads."

type userAddCmd struct {
	storage
	linkBase
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
	Role  string `help:"What the person does in the study: coordinator, coder, researcher or clinician." required:"" enum:"coordinator,coder,researcher,clinician" placeholder:"ROLE"`
	Name  string `help:"Name to sign in with." required:"" placeholder:"NAME"`
}

func (c *userAddCmd) Help() string {
	return `Gives somebody a role in a study, beside those the person has. Who is new, or has not set up the account yet, gets a link to do so: to choose a
password and to put a key for one-time passwords into an app. Participants are not users; they sign in with a code or a link of their own.

Example:
  asem user add --study DEMO --role coordinator --name ana --url https://study.example`
}

func (c *userAddCmd) Run(ctx context.Context, io streams) error {
	if err := checkURL(c.URL); err != nil {
		return err
	}
	return c.withAccess(ctx, func(a *archived, s *access.Store) error {
		past, err := a.log.ReadStream(ctx, events.StudyStream(c.Study), 0, 1)
		if err != nil {
			return err
		}
		if len(past) == 0 {
			return &domain.Error{Code: domain.NotFound, Path: "--study", Message: fmt.Sprintf("there is no study %q", c.Study)}
		}
		u, setup, err := s.AddUser(ctx, c.Name, c.Study, domain.ActorRole(c.Role))
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s is %s of study %s\n", u.Name, c.Role, c.Study)
		if setup != "" {
			fmt.Fprintf(io.out, "Set-up link: %s\n%s\n", setupLink(c.URL, setup), setupHint)
		}
		return nil
	})
}

type userRemoveCmd struct {
	storage
	Study string `help:"Code of the study." required:"" placeholder:"CODE"`
	Role  string `help:"The role." required:"" enum:"coordinator,coder,researcher,clinician" placeholder:"ROLE"`
	Name  string `help:"Name of the user." required:"" placeholder:"NAME"`
}

func (c *userRemoveCmd) Help() string {
	return `Takes a role in a study from somebody. It counts from the next page on that the person opens.

Example:
  asem user remove --study DEMO --role coder --name ana`
}

func (c *userRemoveCmd) Run(ctx context.Context, io streams) error {
	return c.withAccess(ctx, func(_ *archived, s *access.Store) error {
		if err := s.TakeRole(ctx, c.Name, c.Study, domain.ActorRole(c.Role)); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s is %s of study %s no more\n", c.Name, c.Role, c.Study)
		return nil
	})
}

type userListCmd struct{ storage }

func (c *userListCmd) Help() string {
	return `Lists all users with their roles, and whether they have set up their account.

Example:
  asem user list --data study`
}

func (c *userListCmd) Run(ctx context.Context, io streams) error {
	return c.withAccess(ctx, func(_ *archived, s *access.Store) error {
		users, err := s.Users(ctx)
		if err != nil {
			return err
		}
		if len(users) == 0 {
			fmt.Fprintln(io.out, "There are no users; asem user add makes the first.")
			return nil
		}
		tab := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tab, "name\tin events\tstate\troles")
		for _, u := range users {
			var roles []string
			for _, study := range u.Studies() {
				for _, r := range slices.Sorted(slices.Values(u.Roles[study])) {
					roles = append(roles, study+" "+string(r))
				}
			}
			fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", u.Name, u.Staff.User, stateOf(u), strings.Join(roles, ", "))
		}
		return tab.Flush()
	})
}

func stateOf(u access.User) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.SetUp:
		return "set up"
	case u.Invited.IsZero():
		return "link expired"
	}
	return "link until " + u.Invited.Format(time.DateTime) + " UTC"
}

type userDisableCmd struct {
	storage
	Name string `help:"Name of the user." required:"" placeholder:"NAME"`
}

func (c *userDisableCmd) Help() string {
	return `Lets a user in no more and ends all sessions of the user. The roles stay, for when asem user reset lets the user in again.

Example:
  asem user disable --name ana`
}

func (c *userDisableCmd) Run(ctx context.Context, io streams) error {
	return c.withAccess(ctx, func(_ *archived, s *access.Store) error {
		if err := s.DisableUser(ctx, c.Name); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s is disabled\n", c.Name)
		return nil
	})
}

type userResetCmd struct {
	storage
	linkBase
	Name string `help:"Name of the user." required:"" placeholder:"NAME"`
}

func (c *userResetCmd) Help() string {
	return `Makes a new set-up link. The password and the key for one-time passwords from before work no more, and all sessions of the user are over.

Example:
  asem user reset --name ana --url https://study.example`
}

func (c *userResetCmd) Run(ctx context.Context, io streams) error {
	if err := checkURL(c.URL); err != nil {
		return err
	}
	return c.withAccess(ctx, func(_ *archived, s *access.Store) error {
		setup, err := s.ResetUser(ctx, c.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "Set-up link: %s\n%s\n", setupLink(c.URL, setup), setupHint)
		return nil
	})
}

// withAccess does something with what says who may come in, beside a server.
func (s storage) withAccess(ctx context.Context, do func(*archived, *access.Store) error) error {
	return s.withArchive(ctx, func(a *archived) error {
		door, err := s.openAccess(ctx, a.keys)
		if err != nil {
			return err
		}
		return errors.Join(do(a, door), door.Close())
	})
}
