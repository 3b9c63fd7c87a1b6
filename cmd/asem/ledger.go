package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/graphql"
	"asem/projections"
)

// ledger proves over GraphQL what stands in a log.
type ledger struct {
	log    events.Archive
	signer string
}

var _ graphql.Ledger = ledger{}

// Checkpoint implements [graphql.Ledger]. It signs and keeps nothing: whoever asks keeps the note.
func (l ledger) Checkpoint(ctx context.Context, study string) (graphql.Checkpoint, error) {
	verifier, err := proof.VerifierOf(l.signer)
	if err != nil {
		return graphql.Checkpoint{}, err
	}
	c, err := proof.Current(ctx, l.log, study, time.Now())
	if err != nil {
		return graphql.Checkpoint{}, err
	}
	note, err := proof.SignCheckpoint(c, l.signer)
	return graphql.Checkpoint{Note: note, Size: c.Size, Root: c.Root.String(), Position: c.Position, SignedAt: c.SignedAt.UTC().Truncate(time.Second), Verifier: verifier}, err
}

// Inclusion implements [graphql.Ledger].
func (l ledger) Inclusion(ctx context.Context, study string, at projections.Position, size int64) (graphql.InclusionProof, error) {
	missing := &domain.Error{Code: domain.NotFound, Path: "position", Message: fmt.Sprintf("at position %d there is no event of study %s", at, study)}
	if at < 1 {
		return graphql.InclusionProof{}, missing
	}
	list, err := l.log.Records(ctx, at-1, 1)
	if err != nil {
		return graphql.InclusionProof{}, err
	}
	if len(list) == 0 || list[0].Position != at {
		return graphql.InclusionProof{}, missing
	}
	e, err := events.DecodeRecord(list[0].Data)
	if err != nil {
		return graphql.InclusionProof{}, err
	}
	if e.Study != study { // another study's, of which nothing is told
		return graphql.InclusionProof{}, missing
	}
	size, root, err := l.tree(ctx, study, size)
	if err != nil {
		return graphql.InclusionProof{}, err
	}
	hashes, err := proof.Inclusion(ctx, l.log, study, e.Leaf, size)
	return graphql.InclusionProof{Leaf: e.Leaf, Size: size, LeafHash: tlog.RecordHash(list[0].Data).String(), Root: root, Hashes: inBase64(hashes)}, err
}

// Consistency implements [graphql.Ledger].
func (l ledger) Consistency(ctx context.Context, study string, old, size int64) (graphql.ConsistencyProof, error) {
	size, root, err := l.tree(ctx, study, size)
	if err != nil {
		return graphql.ConsistencyProof{}, err
	}
	hashes, err := proof.Consistency(ctx, l.log, study, old, size)
	if err != nil {
		return graphql.ConsistencyProof{}, err
	}
	before, err := proof.RootAt(ctx, l.log, study, old)
	return graphql.ConsistencyProof{OldSize: old, Size: size, OldRoot: before.String(), Root: root, Hashes: inBase64(hashes)}, err
}

// tree returns the size and root of a study's tree, as it stands if no size is given.
func (l ledger) tree(ctx context.Context, study string, size int64) (int64, string, error) {
	now, root, err := proof.Root(ctx, l.log, study)
	if err != nil || size == 0 || size == now {
		return now, root.String(), err
	}
	if size < 0 || size > now {
		return 0, "", &domain.Error{Code: domain.Invalid, Path: "size", Message: fmt.Sprintf("the tree of study %s never had %d leaves; expected 1 to %d", study, size, now)}
	}
	root, err = proof.RootAt(ctx, l.log, study, size)
	return size, root.String(), err
}

func inBase64(hashes []tlog.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return out
}
