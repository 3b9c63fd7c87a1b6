package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"golang.org/x/text/unicode/norm"

	"asem/domain"
)

// One-time passwords are those of RFC 6238 as every app makes them: SHA-1, six digits, thirty seconds.
const (
	totpPeriod = 30
	totpIssuer = "asem"
)

func totpLabel(id string) string { return "access/totp/" + id }

// Enrolment is what somebody sees who follows a set-up link: what to put into an app for one-time passwords.
type Enrolment struct {
	Name   string
	Secret string // in base32
	URI    string // otpauth://
}

// BeginSetup returns what a set-up code is for. It may be asked again, and says the same, until [Store.FinishSetup].
func (s *Store) BeginSetup(ctx context.Context, setup string, from netip.Addr) (Enrolment, error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return Enrolment{}, err
	}
	e, _, err := s.enrolment(ctx, setup)
	return e, err
}

func (s *Store) enrolment(ctx context.Context, setup string) (e Enrolment, id string, err error) {
	for range 2 { // the second time the secret is there
		var master string
		var sealed []byte
		err = s.writer.QueryRowContext(ctx, `SELECT id, name, master, totp FROM staff WHERE setup = $1 AND setup_expires > $2 AND disabled = 0`,
			tokenHash(setup), s.now().UnixMicro()).Scan(&id, &e.Name, &master, &sealed)
		if err := none(err); err != nil {
			return e, "", fmt.Errorf("set up: %w", err)
		}
		if id == "" {
			return e, "", refused()
		}
		if master != "" {
			secret, err := s.keys.Unwrap(ctx, master, sealed, totpLabel(id))
			if err != nil {
				return e, "", err
			}
			e.Secret = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
			e.URI = (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + totpIssuer + ":" + e.Name, RawQuery: url.Values{"secret": {e.Secret}, "issuer": {totpIssuer}}.Encode()}).String()
			return e, id, nil
		}
		secret := make([]byte, 20)
		_, _ = rand.Read(secret) // never fails
		if master, sealed, err = s.keys.Wrap(ctx, secret, totpLabel(id)); err != nil {
			return e, "", err
		}
		if _, err := s.writer.ExecContext(ctx, `UPDATE staff SET master = $1, totp = $2, totp_step = 0 WHERE id = $3 AND master = ''`, master, sealed, id); err != nil {
			return e, "", fmt.Errorf("set up: %w", err)
		}
	}
	return e, "", refused() // a reset came between
}

// FinishSetup sets the password of whoever has a set-up code and shows by a one-time password that the app works. The code is then used up.
// Errors with a path (password, once) are for the person to mend; the code stays good.
func (s *Store) FinishSetup(ctx context.Context, setup, password, once string, from netip.Addr) (Staff, error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return Staff{}, err
	}
	e, id, err := s.enrolment(ctx, setup)
	if err != nil {
		return Staff{}, err
	}
	if err := checkPassword(password, e.Name); err != nil {
		return Staff{}, err
	}
	var master string
	var sealed []byte
	if err := s.reader.QueryRowContext(ctx, `SELECT master, totp FROM staff WHERE id = $1`, id).Scan(&master, &sealed); err != nil {
		return Staff{}, fmt.Errorf("set up: %w", err)
	}
	step, fits, err := s.totpStep(ctx, id, master, sealed, once)
	if err != nil {
		return Staff{}, err
	}
	if !fits {
		return Staff{}, &domain.Error{Code: domain.Invalid, Path: "once", Message: "the one-time password does not fit; expected the six digits that the app shows now, and a clock that is right"}
	}
	hash, err := s.hash(ctx, normalPassword(password))
	if err != nil {
		return Staff{}, fmt.Errorf("set up: %w", err)
	}
	ok, err := s.changed(ctx, `UPDATE staff SET password = $1, totp_step = $2, setup = NULL, setup_expires = 0, epoch = $3 WHERE id = $4 AND setup = $5 AND setup_expires > $6 AND disabled = 0`,
		hash, step, randomText(), id, tokenHash(setup), s.now().UnixMicro())
	if err != nil {
		return Staff{}, fmt.Errorf("set up: %w", err)
	}
	if !ok {
		return Staff{}, refused()
	}
	roles, err := s.rolesOf(ctx, id)
	return Staff{User: id, Name: e.Name, Roles: roles}, err
}

// The length of a password, in characters. Rules about kinds of characters make people choose worse (NIST SP 800-63B, 5.1.1.2).
const minPassword, maxPassword = 12, 256

func checkPassword(password, name string) error {
	p := normalPassword(password)
	n := utf8.RuneCountInString(p)
	what := ""
	switch {
	case !utf8.ValidString(password):
		what = "is not text in UTF-8"
	case n < minPassword:
		what = fmt.Sprintf("has %d characters; expected at least %d, for example four words", n, minPassword)
	case n > maxPassword:
		what = fmt.Sprintf("has more than %d characters", maxPassword)
	case utf8.RuneCountInString(name) > 3 && strings.Contains(strings.ToLower(p), name):
		what = "contains the name; expected something that nobody guesses"
	case distinct(p) < 5:
		what = "repeats a few characters; expected something that nobody guesses"
	default:
		return nil
	}
	return &domain.Error{Code: domain.Invalid, Path: "password", Message: "the password " + what}
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// normalPassword makes keyboards that compose characters in different ways send the same.
func normalPassword(p string) string { return norm.NFC.String(p) }

// totpStep finds the step of time of which a one-time password is, one before or after now at most. Without a secret nothing fits, and it takes as long.
func (s *Store) totpStep(ctx context.Context, id, master string, sealed []byte, once string) (step int64, fits bool, err error) {
	secret := make([]byte, 20)
	if master != "" {
		if secret, err = s.keys.Unwrap(ctx, master, sealed, totpLabel(id)); err != nil {
			return 0, false, err
		}
	}
	once = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' {
			return -1
		}
		return r
	}, once)
	text := base32.StdEncoding.EncodeToString(secret)
	now := s.now().Unix() / totpPeriod
	for at := now - 1; at <= now+1; at++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(at), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, errors.New("make a one-time password: the secret is damaged")
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(once)) == 1 {
			step, fits = at, true
		}
	}
	return step, fits && master != "", nil
}
