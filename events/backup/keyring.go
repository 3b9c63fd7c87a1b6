package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"asem/domain"
	"asem/events"
)

// Keyring is the file, beside the backups of a folder, that holds the owners' wrapped keys for all of them.
type Keyring struct{ path string }

// KeyringIn returns the keyring of a folder.
func KeyringIn(dir string) Keyring { return Keyring{filepath.Join(dir, "keyring.json")} }

type ringKey struct {
	Owner     string    `json:"owner"`
	Master    string    `json:"master,omitempty"`
	Wrapped   []byte    `json:"wrapped,omitempty"` // nothing: destroyed
	CreatedAt time.Time `json:"createdAt"`
	Destroyed time.Time `json:"destroyedAt,omitzero"`
}

func (k Keyring) read() (map[string]ringKey, error) {
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]ringKey{}, nil
	}
	var list []ringKey
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: k.path, Message: "the keyring of the backups cannot be read", Err: err}
	}
	all := make(map[string]ringKey, len(list))
	for _, key := range list {
		all[key.Owner] = key
	}
	return all, nil
}

// Update takes over the keys of a log. What is destroyed in either place is destroyed afterwards in the keyring; a key that only the keyring has, because an older
// log had it, stays. The file is overwritten before it is replaced, so that what it held before is not left on the disk.
func (k Keyring) Update(ctx context.Context, log events.KeyStore) error {
	keys, err := log.WrappedKeys(ctx, nil) // before the file: what was destroyed in the meantime is destroyed in it
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return fmt.Errorf("write the keyring of the backups: %w", err)
	}
	lock := flock.New(k.path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock the keyring of the backups: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // it ends with the process at the latest
	have, err := k.read()
	if err != nil {
		return err
	}
	for _, w := range keys {
		old, ok := have[w.Owner]
		if ok && old.Wrapped == nil {
			continue
		}
		if ok && w.Wrapped != nil && !old.CreatedAt.Equal(w.CreatedAt) {
			return &domain.Error{Code: domain.Conflict, Path: k.path, Message: "the folder holds backups of another log, whose keys would be lost; each log needs a folder of its own"}
		}
		if w.Wrapped == nil && w.Destroyed.IsZero() { // it is being destroyed there
			w.Destroyed = time.Now().UTC()
		}
		have[w.Owner] = ringKey{w.Owner, w.Master, w.Wrapped, w.CreatedAt, w.Destroyed}
	}
	list := make([]ringKey, 0, len(have))
	for _, owner := range slices.Sorted(maps.Keys(have)) {
		list = append(list, have[owner])
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := k.replace(append(text, '\n')); err != nil {
		return fmt.Errorf("write the keyring of the backups: %w", err)
	}
	return nil
}

// replace writes a new file and, once it is durable, wipes the old one.
func (k Keyring) replace(text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(k.path), ".keyring-*") // has mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	old, openErr := os.OpenFile(k.path, os.O_WRONLY, 0)
	if err := os.Rename(tmp.Name(), k.path); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if openErr != nil {
		return nil //nolint:nilerr // there was none
	}
	info, err := old.Stat()
	if err == nil {
		_, err = old.WriteAt(make([]byte, info.Size()), 0)
	}
	return errors.Join(err, old.Sync(), old.Close())
}

// Restore puts the keys into a log, those that were destroyed as destroyed, and returns the owners of these.
func (k Keyring) Restore(ctx context.Context, log events.KeyStore) (gone []string, err error) {
	all, err := k.read()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &domain.Error{Code: domain.NotFound, Path: k.path, Message: "there is no keyring beside the backup; without it nothing personal in it can be read"}
	}
	var keys []events.WrappedKey
	destroyed := map[time.Time][]string{}
	for _, owner := range slices.Sorted(maps.Keys(all)) {
		if key := all[owner]; key.Wrapped != nil {
			keys = append(keys, events.WrappedKey{Owner: key.Owner, Master: key.Master, Wrapped: key.Wrapped, CreatedAt: key.CreatedAt})
		} else {
			destroyed[key.Destroyed] = append(destroyed[key.Destroyed], owner)
			gone = append(gone, owner)
		}
	}
	if err := log.AddKeys(ctx, keys); err != nil {
		return nil, err
	}
	for at, owners := range destroyed {
		if err := log.DestroyKeys(ctx, owners, at); err != nil {
			return nil, err
		}
	}
	return gone, nil
}
