package events

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Archive is a backend with all that it keeps: what proof, sealing and backup need besides the [Log].
type Archive interface {
	Log
	TileStore
	KeyStore
	SignedTrees

	// Records returns up to limit rows with positions above after, as they stand in the database, in the order of positions.
	// Nothing about them is checked.
	Records(ctx context.Context, after Position, limit int) ([]Record, error)
	// StoredReceipts returns up to limit receipts that come, by first position and command, after the one given.
	StoredReceipts(ctx context.Context, after StoredReceipt, limit int) ([]StoredReceipt, error)
	// Extend stores a batch as it is, if the log ends right before it and knows none of its commands; otherwise it stores
	// nothing and returns ErrMoved. It serves to restore a log; a running one grows by Append.
	Extend(ctx context.Context, b Batch) error
}

// StoredReceipt is a receipt with the command it belongs to.
type StoredReceipt struct {
	Command uuid.UUID
	Receipt
}

// WrappedKey is the key of an owner of payloads, itself sealed under a master key.
type WrappedKey struct {
	Owner     string
	Master    string // name of the master key
	Wrapped   []byte // nil: destroyed
	CreatedAt time.Time
	Destroyed time.Time // zero while anything of it exists
}

// KeyStore keeps the wrapped keys beside the events.
type KeyStore interface {
	// WrappedKeys returns the keys of owners; an owner without a key is left out. nil means all owners.
	WrappedKeys(ctx context.Context, owners []string) ([]WrappedKey, error)
	// AddKeys stores keys, and leaves alone those of owners that have one already, destroyed or not.
	AddKeys(ctx context.Context, keys []WrappedKey) error
	// Rewrap replaces what wraps keys that exist; a key destroyed meanwhile stays destroyed.
	Rewrap(ctx context.Context, keys []WrappedKey) error
	// DestroyKeys removes the wrapped keys of owners, also from whatever the database keeps behind its tables, and leaves a row that says
	// when. An owner without a key gets such a row too. What is destroyed already stays as it is. If it fails half-way a key may be without
	// Wrapped and without Destroyed: it cannot be used any more, and is not gone for good before DestroyKeys has succeeded.
	DestroyKeys(ctx context.Context, owners []string, at time.Time) error
}

// SignedTree is a signed statement of how large a study's tree was and what its root.
type SignedTree struct {
	Study    string
	Size     int64
	Position Position // of the last event in the tree
	Note     string   // in the note format of golang.org/x/mod/sumdb/note
	SignedAt time.Time
}

// SignedTrees keeps signed trees beside the events.
type SignedTrees interface {
	// AddSignedTree stores a signed tree; one of the same study and size that is there stays.
	AddSignedTree(ctx context.Context, t SignedTree) error
	// SignedTrees returns the signed trees of a study by size; of all studies if study is empty.
	SignedTrees(ctx context.Context, study string) ([]SignedTree, error)
	// LastSignedTrees returns the largest of them.
	LastSignedTrees(ctx context.Context, study string) ([]SignedTree, error)
}
