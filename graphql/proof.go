package graphql

import (
	"context"
	"time"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// Ledger proves what stands in the log. Hashes are in base64, as notes write them. Errors with codes invalid and not_found are shown.
type Ledger interface {
	// Checkpoint signs the tree of a study as it stands.
	Checkpoint(ctx context.Context, study string) (Checkpoint, error)
	// Inclusion proves that the event at a position is in the tree of its study when that had size leaves; 0 means now.
	Inclusion(ctx context.Context, study string, at projections.Position, size int64) (InclusionProof, error)
	// Consistency proves that the tree with size leaves, 0 means now, begins with the tree with old leaves.
	Consistency(ctx context.Context, study string, old, size int64) (ConsistencyProof, error)
}

// Checkpoint is the signed tree of a study.
type Checkpoint struct {
	Note     string
	Size     int64
	Root     string
	Position projections.Position
	SignedAt time.Time
	Verifier string // the key that verifies the signature
}

// InclusionProof leads from the hash of an event's record to the root of a tree.
type InclusionProof struct {
	Leaf, Size     int64
	LeafHash, Root string
	Hashes         []string
}

// ConsistencyProof leads from the root of a tree to the root of the tree that it grew into.
type ConsistencyProof struct {
	OldSize, Size int64
	OldRoot, Root string
	Hashes        []string
}

// ledgerOf returns the ledger of the request.
func ledgerOf(ctx context.Context) (Ledger, error) {
	if l := stateOf(ctx).ledger; l != nil {
		return l, nil
	}
	return nil, &domain.Error{Code: domain.Unavailable, Message: "this server has no log at hand to prove anything from"}
}

func (s *schema) proofFields() {
	staff := ownStudyStaff
	c := newPart[Checkpoint]("Checkpoint", "A signed statement of how large a study's Merkle tree is and what its root. Keep the note elsewhere: it proves later that nothing before it was changed.")
	c.value(&s.rules, "note", nonNull(gql.String), "The statement and its signature, as text.", staff, func(p inStudy[Checkpoint]) any { return p.of.Note })
	c.value(&s.rules, "size", nonNull(intType), "How many events of the study are in the tree.", staff, func(p inStudy[Checkpoint]) any { return int(p.of.Size) })
	c.value(&s.rules, "root", nonNull(gql.String), "The root, SHA-256 in base64.", staff, func(p inStudy[Checkpoint]) any { return p.of.Root })
	c.value(&s.rules, "position", nonNull(positionType), "Every event of the study up to this position is in the tree.", staff, func(p inStudy[Checkpoint]) any { return p.of.Position })
	c.value(&s.rules, "signedAt", nonNull(dateTimeType), "When it was signed.", staff, func(p inStudy[Checkpoint]) any { return p.of.SignedAt })
	c.value(&s.rules, "verifier", nonNull(gql.String), "The key that verifies the signature.", staff, func(p inStudy[Checkpoint]) any { return p.of.Verifier })

	in := newPart[InclusionProof]("InclusionProof", "Proof that an event is in a study's tree: RFC 6962, section 2.1.1.")
	in.value(&s.rules, "leaf", nonNull(intType), "The place of the event in the tree, from 0.", staff, func(p inStudy[InclusionProof]) any { return int(p.of.Leaf) })
	in.value(&s.rules, "size", nonNull(intType), "How many leaves the tree has.", staff, func(p inStudy[InclusionProof]) any { return int(p.of.Size) })
	in.value(&s.rules, "leafHash", nonNull(gql.String), "The hash of the event's record.", staff, func(p inStudy[InclusionProof]) any { return p.of.LeafHash })
	in.value(&s.rules, "root", nonNull(gql.String), "The root of the tree.", staff, func(p inStudy[InclusionProof]) any { return p.of.Root })
	in.value(&s.rules, "hashes", listOf(gql.String), "The hashes on the way, from the leaf up.", staff, func(p inStudy[InclusionProof]) any { return anyList(p.of.Hashes) })

	co := newPart[ConsistencyProof]("ConsistencyProof", "Proof that a tree begins with an earlier one: RFC 6962, section 2.1.2.")
	co.value(&s.rules, "oldSize", nonNull(intType), "How many leaves the earlier tree had.", staff, func(p inStudy[ConsistencyProof]) any { return int(p.of.OldSize) })
	co.value(&s.rules, "oldRoot", nonNull(gql.String), "The root of the earlier tree.", staff, func(p inStudy[ConsistencyProof]) any { return p.of.OldRoot })
	co.value(&s.rules, "size", nonNull(intType), "How many leaves the tree has.", staff, func(p inStudy[ConsistencyProof]) any { return int(p.of.Size) })
	co.value(&s.rules, "root", nonNull(gql.String), "The root of the tree.", staff, func(p inStudy[ConsistencyProof]) any { return p.of.Root })
	co.value(&s.rules, "hashes", listOf(gql.String), "The hashes of the proof.", staff, func(p inStudy[ConsistencyProof]) any { return anyList(p.of.Hashes) })

	size := gql.FieldConfigArgument{"size": {Type: intType, Description: "Of the tree; without it the tree as it stands."}}
	s.study.field(&s.rules, "checkpoint", nonNull(c.typ), "The study's Merkle tree as it stands, signed.", staff, nil, func(ctx context.Context, v projections.Study, _ arguments) (any, error) {
		ledger, err := ledgerOf(ctx)
		if err != nil {
			return nil, err
		}
		p, err := ledger.Checkpoint(ctx, v.Code)
		return inStudy[Checkpoint]{v.Code, p}, err
	})
	s.study.field(&s.rules, "inclusionProof", nonNull(in.typ), "Proof that the event at a position of the log is in the tree.", staff,
		gql.FieldConfigArgument{"position": {Type: nonNull(positionType), Description: "Of the event in the log."}, "size": size["size"]},
		func(ctx context.Context, v projections.Study, a arguments) (any, error) {
			ledger, err := ledgerOf(ctx)
			if err != nil {
				return nil, err
			}
			at, _ := a["position"].(projections.Position)
			p, err := ledger.Inclusion(ctx, v.Code, at, a.size("size"))
			return inStudy[InclusionProof]{v.Code, p}, err
		})
	s.study.field(&s.rules, "consistencyProof", nonNull(co.typ), "Proof that the tree begins with the one it once was.", staff,
		gql.FieldConfigArgument{"oldSize": {Type: nonNull(intType), Description: "Of the earlier tree, as a kept checkpoint says."}, "size": size["size"]},
		func(ctx context.Context, v projections.Study, a arguments) (any, error) {
			if a.size("oldSize") < 1 {
				return nil, &domain.Error{Code: domain.Invalid, Path: "oldSize", Message: "a tree begins with one of at least 1 leaf"}
			}
			ledger, err := ledgerOf(ctx)
			if err != nil {
				return nil, err
			}
			p, err := ledger.Consistency(ctx, v.Code, a.size("oldSize"), a.size("size"))
			return inStudy[ConsistencyProof]{v.Code, p}, err
		})
}

// size returns a whole number that was given, and 0 otherwise.
func (a arguments) size(name string) int64 {
	n, _ := a[name].(int)
	return int64(n)
}
