package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"asem/domain"
)

// Staff is somebody who works in studies.
type Staff struct {
	User  string                        // stands in events as the subject; no name
	Name  string                        // to sign in with
	Roles map[string][]domain.ActorRole // by study
}

// Has reports whether a user has one of some roles in a study; no roles means any.
func (u Staff) Has(study string, roles ...domain.ActorRole) bool {
	return slices.ContainsFunc(u.Roles[study], func(r domain.ActorRole) bool { return len(roles) == 0 || slices.Contains(roles, r) })
}

// Studies lists in order the studies in which a user has one of some roles; no roles means any.
func (u Staff) Studies(roles ...domain.ActorRole) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(u.Roles)), func(study string) bool { return !u.Has(study, roles...) })
}

func (u Staff) owner() string { return "staff/" + u.User }

// StaffRoles are the roles that somebody can have in a study.
var StaffRoles = []domain.ActorRole{domain.ActorCoordinator, domain.ActorCoder, domain.ActorResearcher, domain.ActorClinician}

// User is an account as those see it who look after accounts.
type User struct {
	Staff
	Disabled bool
	SetUp    bool      // has a password
	Invited  time.Time // when the set-up link expires; zero: there is none
}

// setupLife is how long a set-up link works.
const setupLife = 72 * time.Hour

var userName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._@+-]{0,63}$`)

func normalName(name string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(name))) }

// AddUser gives somebody a role in a study. Who is new, or has not yet chosen a password, gets a set-up code, shown this once; for the others it is empty.
func (s *Store) AddUser(ctx context.Context, name, study string, role domain.ActorRole) (u Staff, setup string, err error) {
	name = normalName(name)
	switch {
	case !userName.MatchString(name):
		return u, "", &domain.Error{Code: domain.Invalid, Path: "name", Message: "a name to sign in with has up to 64 letters, digits and . _ - @ +, and begins with a letter or digit"}
	case !slices.Contains(StaffRoles, role):
		return u, "", &domain.Error{Code: domain.Invalid, Path: "role", Message: fmt.Sprintf("there is no role %q; expected coordinator, coder, researcher or clinician", role)}
	case study == "":
		return u, "", &domain.Error{Code: domain.Invalid, Path: "study", Message: "expected the code of a study"}
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		u.User = "staff-" + strings.ToLower(string(NewCode()))
		if _, err := tx.ExecContext(ctx, `INSERT INTO staff (id, name, password, master, totp, totp_step, epoch, disabled, setup_expires) VALUES ($1, $2, '', '', $3, 0, $4, 0, 0) ON CONFLICT (name) DO NOTHING`,
			u.User, name, []byte{}, randomText()); err != nil {
			return err
		}
		var password string
		var disabled bool
		if err := tx.QueryRowContext(ctx, `SELECT id, password, disabled <> 0 FROM staff WHERE name = $1`, name).Scan(&u.User, &password, &disabled); err != nil {
			return err
		}
		if disabled {
			return &domain.Error{Code: domain.Conflict, Path: "name", Message: "this user is disabled; asem user reset lets in again who was disabled"}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO staff_role (staff, study, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, u.User, study, string(role)); err != nil {
			return err
		}
		if password != "" {
			return nil
		}
		setup = randomText()
		// With a new key for one-time passwords: whoever had the link before has seen the old one.
		_, err := tx.ExecContext(ctx, `UPDATE staff SET setup = $1, setup_expires = $2, master = '', totp = $3 WHERE id = $4`, tokenHash(setup), s.now().Add(setupLife).UnixMicro(), []byte{}, u.User)
		return err
	})
	if err != nil {
		return Staff{}, "", fmt.Errorf("add a user: %w", err)
	}
	u.Name = name
	u.Roles, err = s.rolesOf(ctx, u.User)
	return u, setup, err
}

// TakeRole takes a role in a study from a user.
func (s *Store) TakeRole(ctx context.Context, name, study string, role domain.ActorRole) error {
	ok, err := s.changed(ctx, `DELETE FROM staff_role WHERE study = $1 AND role = $2 AND staff = (SELECT id FROM staff WHERE name = $3)`, study, string(role), normalName(name))
	if err == nil && !ok {
		err = &domain.Error{Code: domain.NotFound, Path: "name", Message: fmt.Sprintf("no user of this name is %s of study %s", role, study)}
	}
	return err
}

// DisableUser lets a user in no more, and ends what sessions there are.
func (s *Store) DisableUser(ctx context.Context, name string) error {
	return s.alter(ctx, name, func(tx *sql.Tx, id string) error {
		_, err := tx.ExecContext(ctx, `UPDATE staff SET disabled = 1, setup = NULL, setup_expires = 0, epoch = $1 WHERE id = $2`, randomText(), id)
		return err
	})
}

// ResetUser makes a new set-up code for somebody who lost password or phone, or was disabled. What was set up before is gone at once, and sessions are over.
func (s *Store) ResetUser(ctx context.Context, name string) (setup string, err error) {
	setup = randomText()
	return setup, s.alter(ctx, name, func(tx *sql.Tx, id string) error {
		_, err := tx.ExecContext(ctx, `UPDATE staff SET password = '', master = '', totp = $1, disabled = 0, setup = $2, setup_expires = $3, epoch = $4 WHERE id = $5`,
			[]byte{}, tokenHash(setup), s.now().Add(setupLife).UnixMicro(), randomText(), id)
		return err
	})
}

// alter changes an account and ends its sessions.
func (s *Store) alter(ctx context.Context, name string, change func(tx *sql.Tx, id string) error) error {
	err := s.within(ctx, func(tx *sql.Tx) error {
		var u Staff
		err := tx.QueryRowContext(ctx, `SELECT id FROM staff WHERE name = $1`, normalName(name)).Scan(&u.User)
		if errors.Is(err, sql.ErrNoRows) {
			return &domain.Error{Code: domain.NotFound, Path: "name", Message: "there is no user of this name; asem user list shows all"}
		}
		if err != nil {
			return err
		}
		if err := change(tx, u.User); err != nil {
			return err
		}
		return endSessions(ctx, tx, u.owner())
	})
	if err != nil {
		return fmt.Errorf("change a user: %w", err)
	}
	return nil
}

// Users lists all accounts by name.
func (s *Store) Users(ctx context.Context) (list []User, _ error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id, name, disabled <> 0, password <> '', setup_expires, study, role FROM staff LEFT JOIN staff_role ON staff = id ORDER BY name, study, role`)
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u User
		var expires int64
		var study, role sql.NullString
		if err := rows.Scan(&u.Staff.User, &u.Name, &u.Disabled, &u.SetUp, &expires, &study, &role); err != nil {
			return nil, fmt.Errorf("list the users: %w", err)
		}
		if expires > s.now().UnixMicro() {
			u.Invited = time.UnixMicro(expires).UTC()
		}
		if n := len(list); n == 0 || list[n-1].Staff.User != u.Staff.User {
			u.Roles = map[string][]domain.ActorRole{}
			list = append(list, u)
		}
		if study.Valid {
			roles := list[len(list)-1].Roles
			roles[study.String] = append(roles[study.String], domain.ActorRole(role.String))
		}
	}
	return list, rows.Err()
}

func (s *Store) rolesOf(ctx context.Context, id string) (map[string][]domain.ActorRole, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT study, role FROM staff_role WHERE staff = $1 ORDER BY study, role`, id)
	if err != nil {
		return nil, fmt.Errorf("read the roles: %w", err)
	}
	defer rows.Close()
	roles := map[string][]domain.ActorRole{}
	for rows.Next() {
		var study, role string
		if err := rows.Scan(&study, &role); err != nil {
			return nil, fmt.Errorf("read the roles: %w", err)
		}
		roles[study] = append(roles[study], domain.ActorRole(role))
	}
	return roles, rows.Err()
}

// SignInStaff lets in who gives the right name, password and one-time password, each of which works once. Everybody else is refused in the same words and time.
func (s *Store) SignInStaff(ctx context.Context, name, password, once string, from netip.Addr) (Staff, error) {
	name = normalName(name)
	if err := s.takeBoth(ctx, from, perStaff, name); err != nil {
		return Staff{}, err
	}
	var u Staff
	var hash, master string
	var sealed []byte
	var disabled bool
	if !userName.MatchString(name) { // nobody has it, and not every database takes it
		name = ""
	}
	err := s.reader.QueryRowContext(ctx, `SELECT id, name, password, master, totp, disabled <> 0 FROM staff WHERE name = $1`, name).Scan(&u.User, &u.Name, &hash, &master, &sealed, &disabled)
	if err := none(err); err != nil {
		return Staff{}, fmt.Errorf("sign in: %w", err)
	}
	ok, err := s.matches(ctx, normalPassword(password), hash)
	if err != nil {
		return Staff{}, fmt.Errorf("sign in: %w", err)
	}
	step, fits, err := s.totpStep(ctx, u.User, master, sealed, once)
	if err != nil {
		return Staff{}, err
	}
	if !ok || !fits || disabled {
		return Staff{}, refused()
	}
	// Of several that come with the same one-time password one gets in; and nobody whom a reset has overtaken.
	used, err := s.changed(ctx, `UPDATE staff SET totp_step = $1 WHERE id = $2 AND totp_step < $1 AND password = $3 AND disabled = 0`, step, u.User, hash)
	if err != nil {
		return Staff{}, fmt.Errorf("sign in: %w", err)
	}
	if !used {
		return Staff{}, refused()
	}
	if u.Roles, err = s.rolesOf(ctx, u.User); err != nil {
		return Staff{}, err
	}
	return u, s.forgive(ctx, perStaff, name)
}

// staffNow returns a user as the account is now, if a session of an epoch still counts.
func (s *Store) staffNow(ctx context.Context, id, epoch string) (u Staff, ok bool, err error) {
	var now string
	var disabled bool
	err = s.reader.QueryRowContext(ctx, `SELECT id, name, epoch, disabled <> 0 FROM staff WHERE id = $1`, id).Scan(&u.User, &u.Name, &now, &disabled)
	if err := none(err); err != nil {
		return u, false, fmt.Errorf("read a user: %w", err)
	}
	if now == "" || now != epoch || disabled {
		return Staff{}, false, nil
	}
	u.Roles, err = s.rolesOf(ctx, id)
	return u, err == nil, err
}
