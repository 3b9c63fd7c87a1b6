package seal

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"asem/events"
)

// keyring holds opened keys of owners in memory, for a while.
type keyring struct {
	store  events.KeyStore
	master Master

	mu        sync.RWMutex
	open      map[string]cipher.AEAD // nil: destroyed
	since     time.Time              // when open was last emptied
	forgotten int                    // rises with every forget
}

// keepOpen bounds how long a key stays in memory after another process destroyed it.
const keepOpen = time.Minute

// known returns the keys of owners that are open, and the owners for whom none is.
func (r *keyring) known(owners map[string]bool) (keys map[string]cipher.AEAD, missing []string, forgotten int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	fresh := time.Since(r.since) < keepOpen
	keys = make(map[string]cipher.AEAD, len(owners))
	for o := range owners {
		if k, ok := r.open[o]; ok && fresh {
			keys[o] = k
		} else {
			missing = append(missing, o)
		}
	}
	return keys, missing, r.forgotten
}

// remember keeps keys that were read after so many had been forgotten. If others were in the meantime, the keys may be among them, and are left.
func (r *keyring) remember(keys map[string]cipher.AEAD, forgotten int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if forgotten != r.forgotten {
		return
	}
	if time.Since(r.since) >= keepOpen {
		r.open, r.since = nil, time.Now()
	}
	if r.open == nil {
		r.open = map[string]cipher.AEAD{}
	}
	maps.Copy(r.open, keys)
}

func (r *keyring) forget(owners ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten++
	for _, o := range owners {
		delete(r.open, o)
	}
}

// get returns the keys of owners: nil where it was destroyed, and nothing where there never was one. The keys that are there and do not open are
// damaged: what their owners gave stays sealed, and nobody else's.
func (r *keyring) get(ctx context.Context, owners map[string]bool) (keys map[string]cipher.AEAD, damaged error, err error) { //nolint:staticcheck // the second is a finding
	keys, missing, forgotten := r.known(owners)
	if len(missing) == 0 {
		return keys, nil, nil
	}
	stored, err := r.store.WrappedKeys(ctx, missing)
	if err != nil {
		return nil, nil, err
	}
	found := make(map[string]cipher.AEAD, len(stored))
	for _, w := range stored {
		key, err := r.unwrap(ctx, w)
		switch {
		case errors.Is(err, ErrDamagedKey):
			damaged = err
		case err != nil:
			return nil, nil, err
		default:
			found[w.Owner] = key
		}
	}
	r.remember(found, forgotten)
	maps.Copy(keys, found)
	return keys, damaged, nil
}

func (r *keyring) unwrap(ctx context.Context, w events.WrappedKey) (cipher.AEAD, error) {
	if w.Wrapped == nil {
		return nil, nil
	}
	key, err := r.master.Unwrap(ctx, w.Master, w.Wrapped, w.Owner)
	if err != nil {
		return nil, fmt.Errorf("open the key of %s: %w", w.Owner, err)
	}
	return chacha20poly1305.NewX(key)
}

// make returns the keys of owners and makes those that are missing. Of several processes that make a key for one owner at the same time, the key
// of the first is everybody's.
func (r *keyring) make(ctx context.Context, owners map[string]bool) (map[string]cipher.AEAD, error) {
	keys, damaged, err := r.get(ctx, owners)
	if err = errors.Join(err, damaged); err != nil || len(keys) == len(owners) {
		return keys, err
	}
	var fresh []events.WrappedKey
	for o := range owners {
		if _, ok := keys[o]; ok {
			continue
		}
		key := make([]byte, chacha20poly1305.KeySize)
		_, _ = rand.Read(key) // never fails
		master, wrapped, err := r.master.Wrap(ctx, key, o)
		if err != nil {
			return nil, fmt.Errorf("wrap a key: %w", err)
		}
		fresh = append(fresh, events.WrappedKey{Owner: o, Master: master, Wrapped: wrapped, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)})
	}
	if err := r.store.AddKeys(ctx, fresh); err != nil {
		return nil, err
	}
	if current := r.master.Current(); slices.ContainsFunc(fresh, func(w events.WrappedKey) bool { return w.Master != current }) {
		// The master key was changed while these were under way, and whoever did it may not have seen them. Nothing is sealed under them before they are safe.
		if _, err := r.rewrap(ctx, slices.Collect(maps.Keys(owners))); err != nil {
			return nil, err
		}
	}
	keys, damaged, err = r.get(ctx, owners)
	return keys, errors.Join(err, damaged)
}

// rewrap wraps every key of owners, nil meaning all, anew that is not wrapped by the current master key, and returns how many those were.
func (r *keyring) rewrap(ctx context.Context, owners []string) (int, error) {
	all, err := r.store.WrappedKeys(ctx, owners)
	if err != nil {
		return 0, err
	}
	var changed []events.WrappedKey
	for _, w := range all {
		if w.Wrapped == nil || w.Master == r.master.Current() {
			continue
		}
		key, err := r.master.Unwrap(ctx, w.Master, w.Wrapped, w.Owner)
		if err != nil {
			return 0, fmt.Errorf("open the key of %s: %w", w.Owner, err)
		}
		if w.Master, w.Wrapped, err = r.master.Wrap(ctx, key, w.Owner); err != nil {
			return 0, fmt.Errorf("wrap a key: %w", err)
		}
		changed = append(changed, w)
	}
	if len(changed) == 0 {
		return 0, nil
	}
	return len(changed), r.store.Rewrap(ctx, changed)
}
