package proof

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"asem/domain"
	"asem/events"
)

// Checkpoint says how large a study's tree was and what its root.
type Checkpoint struct {
	Study    string
	Size     int64     // leaves
	Root     tlog.Hash // of the tree with so many leaves
	Position events.Position
	SignedAt time.Time // to the second
}

// origin is the first line of a checkpoint's text: whose log it is about.
const origin = "asem/"

// text returns the note's text: origin, size and root, then two lines of ours: every event of the study at or below the position is in the tree.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\nposition %d\nsigned %s\n", origin, c.Study, c.Size, c.Root, c.Position, c.SignedAt.UTC().Format(time.RFC3339))
}

// NewSigner makes a key pair to sign checkpoints with: what signs, which is secret, and what verifies, which everybody may know.
func NewSigner() (signer, verifier string, err error) { return note.GenerateKey(rand.Reader, "asem") }

// VerifierOf returns the public half of a signer.
func VerifierOf(signer string) (string, error) {
	s, err := note.NewSigner(signer)
	part := strings.Split(signer, "+")
	if err == nil && len(part) >= 5 {
		var secret []byte
		if secret, err = base64.StdEncoding.DecodeString(strings.Join(part[4:], "+")); err == nil { // the algorithm, then the seed
			public, _ := ed25519.NewKeyFromSeed(secret[1:]).Public().(ed25519.PublicKey)
			return note.NewEd25519VerifierKey(s.Name(), public)
		}
	}
	return "", &domain.Error{Code: domain.Invalid, Path: "signer", Message: "the signing key is not one that asem makes"}
}

// Sign signs the tree of a study as it stands and keeps the note beside the events. A tree that was signed at this size is not signed
// again. A tree that does not begin with the one signed last is not signed either, so that no note vouches for what [Verify] would find: the error wraps
// [events.ErrDamaged]. A study without events has nothing to sign: the error has code not_found.
func Sign(ctx context.Context, log events.Archive, signer, study string, now time.Time) (events.SignedTree, error) {
	verifier, err := VerifierOf(signer)
	if err != nil {
		return events.SignedTree{}, err
	}
	c, err := Current(ctx, log, study, now)
	if err != nil {
		return events.SignedTree{}, err
	}
	before, err := log.LastSignedTrees(ctx, study)
	if err != nil {
		return events.SignedTree{}, err
	}
	if len(before) > 0 {
		last := before[0]
		if err := continues(ctx, log, c, last, verifier); err != nil || last.Size == c.Size {
			return last, err
		}
	}
	text, err := SignCheckpoint(c, signer)
	if err != nil {
		return events.SignedTree{}, err
	}
	t := events.SignedTree{Study: study, Size: c.Size, Position: c.Position, Note: text, SignedAt: now.UTC().Truncate(time.Second)}
	return t, log.AddSignedTree(ctx, t)
}

// continues checks that a tree begins with the one that was signed before.
func continues(ctx context.Context, store events.TileStore, c Checkpoint, before events.SignedTree, verifier string) error {
	old, err := Open(before.Note, verifier)
	if err == nil && old.Study == c.Study && old.Size == before.Size && old.Size <= c.Size {
		root, err := RootAt(ctx, store, c.Study, old.Size)
		if err != nil || root == old.Root {
			return err
		}
	}
	return fmt.Errorf("the tree of study %s with %d leaves does not begin with the one that was signed at %d: %w; see asem verify", c.Study, c.Size, before.Size, events.ErrDamaged)
}

// Current returns the checkpoint of a study's tree as it stands. A study without events is an error with code not_found.
func Current(ctx context.Context, log events.Archive, study string, now time.Time) (Checkpoint, error) {
	head, err := log.Head(ctx) // before the tree: it then holds everything up to here
	if err != nil {
		return Checkpoint{}, err
	}
	size, root, err := Root(ctx, log, study)
	return Checkpoint{Study: study, Size: size, Root: root, Position: head, SignedAt: now}, err
}

// SignCheckpoint returns the signed note of a checkpoint.
func SignCheckpoint(c Checkpoint, signer string) (string, error) {
	s, err := note.NewSigner(signer)
	if err != nil {
		return "", &domain.Error{Code: domain.Invalid, Path: "signer", Message: "the signing key is not one that asem makes"}
	}
	text, err := note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		return "", fmt.Errorf("sign the tree of study %s: %w", c.Study, err)
	}
	return string(text), nil
}

// Open checks a note's signature against the verifiers and returns what it says.
func Open(text string, verifiers ...string) (Checkpoint, error) {
	bad := func(what string) (Checkpoint, error) {
		return Checkpoint{}, &domain.Error{Code: domain.Invalid, Path: "checkpoint", Message: what}
	}
	var known []note.Verifier
	for _, v := range verifiers {
		verifier, err := note.NewVerifier(v)
		if err != nil {
			return bad("the verifying key is not one that asem prints; expected asem+HASH+KEY")
		}
		known = append(known, verifier)
	}
	n, err := note.Open([]byte(text), note.VerifierList(known...))
	if err != nil {
		return bad("the note is not signed by a key that is trusted here, or was changed")
	}
	line := strings.Split(n.Text, "\n")
	if len(line) < 6 || !strings.HasPrefix(line[0], origin) {
		return bad("the note is not a checkpoint of asem")
	}
	c := Checkpoint{Study: strings.TrimPrefix(line[0], origin)}
	var position int64
	var err2, err3, err4 error
	c.Size, err = strconv.ParseInt(line[1], 10, 64)
	c.Root, err2 = tlog.ParseHash(line[2])
	position, err3 = strconv.ParseInt(strings.TrimPrefix(line[3], "position "), 10, 64)
	c.SignedAt, err4 = time.Parse(time.RFC3339, strings.TrimPrefix(line[4], "signed "))
	if err != nil || err2 != nil || err3 != nil || err4 != nil || c.Size < 1 {
		return bad("the note is signed, but its text is not that of a checkpoint")
	}
	c.Position = events.Position(position)
	return c, nil
}
