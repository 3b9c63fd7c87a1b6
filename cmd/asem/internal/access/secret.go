package access

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"asem/domain"
)

// The cost of a password: the first choice of RFC 9106 for little memory would take 64 MiB; 19 MiB in two passes cost a guesser about the same per
// second and let a small server answer many at once.
var cost = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

var hashesAtOnce = max(2, runtime.NumCPU())

const pepperLabel = "access/pepper"

// openPepper reads the key of keyed hashes, and makes it where there is none.
func (s *Store) openPepper(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	name, sealed, err := s.keys.Wrap(ctx, fresh, pepperLabel)
	if err != nil {
		return nil, err
	}
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO secret (name, master, sealed) VALUES ('pepper', $1, $2) ON CONFLICT (name) DO NOTHING`, name, sealed); err != nil {
		return nil, fmt.Errorf("store the key of hashes: %w", err)
	}
	if err := s.writer.QueryRowContext(ctx, `SELECT master, sealed FROM secret WHERE name = 'pepper'`).Scan(&name, &sealed); err != nil {
		return nil, fmt.Errorf("read the key of hashes: %w", err)
	}
	return s.keys.Unwrap(ctx, name, sealed, pepperLabel)
}

// Keyed is the HMAC-SHA-256 of parts under a key that only this study's servers have; purpose keeps uses apart. It is the same on every server and after
// every restart, and says nothing to whoever lacks the master key.
func (s *Store) Keyed(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, s.pepper)
	for _, p := range append([]string{purpose}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p))) // so that ("ab", "c") is not ("a", "bc")
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// hash returns what is kept of a password or PIN.
func (s *Store) hash(ctx context.Context, secret string) (string, error) {
	done, err := s.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return argon2id.CreateHash(s.peppered(secret), cost)
}

// matches compares with what is kept. It takes as long for an empty hash, which nothing matches.
func (s *Store) matches(ctx context.Context, secret, hash string) (bool, error) {
	done, err := s.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	none := hash == ""
	if none {
		hash = s.decoy
	}
	ok, err := argon2id.ComparePasswordAndHash(s.peppered(secret), hash)
	return ok && !none, err
}

// peppered makes a stolen table of hashes worthless without the master key. That matters for PINs: there are few of them.
func (s *Store) peppered(secret string) string {
	return base64.RawStdEncoding.EncodeToString(s.Keyed("password", secret))
}

// decoy returns a hash of nothing that anybody knows. It takes as long to compare with as any other.
func decoy() string {
	random := make([]byte, cost.SaltLength+cost.KeyLength)
	_, _ = rand.Read(random) // never fails
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, cost.Memory, cost.Iterations, cost.Parallelism, text(random[:cost.SaltLength]), text(random[cost.SaltLength:]))
}

// turn waits for a place to hash.
func (s *Store) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// randomText returns 256 random bits as text that may stand in a URL.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// tokenHash is what is kept of 256 random bits. They need no slow hash.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Rewrap seals anew, under the current master key, whatever another one seals, and returns how much that was. It goes with asem key rotate.
func (s *Store) Rewrap(ctx context.Context) (n int, err error) {
	type sealedRow struct {
		table, key, column, label, master string
		id                                string
		labelOf                           func(id string) string
		sealed                            []byte
	}
	var rows []sealedRow
	read := func(kind sealedRow, query string) error {
		list, err := s.writer.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer list.Close()
		for list.Next() {
			r := kind
			if err := list.Scan(&r.id, &r.master, &r.sealed); err != nil {
				return err
			}
			if r.label == "" {
				r.label = r.labelOf(r.id)
			}
			rows = append(rows, r)
		}
		return list.Err()
	}
	if err := errors.Join(
		read(sealedRow{table: "secret", key: "name", column: "sealed", label: pepperLabel}, `SELECT name, master, sealed FROM secret`),
		read(sealedRow{table: "staff", key: "id", column: "totp", labelOf: totpLabel}, `SELECT id, master, totp FROM staff WHERE master <> ''`),
		read(sealedRow{table: "draft", key: "assignment", column: "sealed", labelOf: draftLabel}, `SELECT assignment, master, sealed FROM draft`),
	); err != nil {
		return 0, fmt.Errorf("read what is sealed: %w", err)
	}
	for _, r := range rows {
		plain, err := s.keys.Unwrap(ctx, r.master, r.sealed, r.label)
		if err != nil {
			return n, err
		}
		name, sealed, err := s.keys.Wrap(ctx, plain, r.label)
		if err != nil {
			return n, err
		}
		if name == r.master || bytes.Equal(sealed, r.sealed) {
			continue
		}
		// Unless it has become another meanwhile.
		ok, err := s.changed(ctx, fmt.Sprintf(`UPDATE %s SET master = $1, %s = $2 WHERE %s = $3 AND %s = $4`, r.table, r.column, r.key, r.column), name, sealed, r.id, r.sealed)
		if err != nil {
			return n, fmt.Errorf("seal anew: %w", err)
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// refused is what everybody hears who is not let in, whatever the reason.
func refused() error {
	return &domain.Error{Code: domain.Unauthenticated, Message: "what was given does not fit"}
}

// Refused reports whether an error says that what somebody gave does not fit.
func Refused(err error) bool { return domain.CodeOf(err) == domain.Unauthenticated }

// Limited reports whether an error says that somebody tried too often.
func Limited(err error) bool { return domain.CodeOf(err) == domain.Limited }

// none reads the absence of a row as an empty one.
func none(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
