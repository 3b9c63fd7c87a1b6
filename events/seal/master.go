package seal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"asem/domain"
)

// Master wraps the owners' keys. Its own keys never lie in the database. [File] is one, which a [KMS] can guard; a key management service can also be one itself.
type Master interface {
	// Current names the key that Wrap uses.
	Current() string
	// Wrap seals a key under the current one, which it names, bound to a label.
	Wrap(ctx context.Context, key []byte, label string) (name string, wrapped []byte, err error)
	// Unwrap opens what Wrap made under the key called name. An error wraps ErrDamagedKey if that key is known and no try will ever open it.
	Unwrap(ctx context.Context, name string, wrapped []byte, label string) (key []byte, err error)
}

// ErrDamagedKey says that a wrapped key was changed since it was wrapped.
var ErrDamagedKey = errors.New("the wrapped key is damaged")

// File is a [Master] whose keys stand in a file that only its owner may read. The first key of the file is the current one; the others
// open what was wrapped before. It also holds the key that signs the trees. When another process has changed the file it is read again.
type File struct {
	path   string
	kms    KMS // nil: the file is not wrapped
	mu     sync.Mutex
	keys   []masterKey
	former []masterKey // that the file held before another process removed them
	stamp  fs.FileInfo // of the file as it was read; nil: not yet
	signer string
}

type masterKey struct {
	name string
	aead cipher.AEAD
	text string
}

const fileHeader = "# asem: the keys of a study. Whoever has this file can read everything; without it nobody can, ever.\n# Keep a copy in a safe place, apart from the data and its backups.\n"

// OpenFile reads a key file. kms, which may be nil, unwraps it if it is wrapped, and wraps it when it is written the next time if it is not.
func OpenFile(path string, kms KMS) (*File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &domain.Error{Code: domain.NotFound, Path: path, Message: "there is no key file; without the one the data were sealed with nothing can be read", Err: err}
	}
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the key file cannot be read", Err: err}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: fmt.Sprintf("the key file has mode %04o: others may read it; expected 0600", info.Mode().Perm())}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the key file cannot be read", Err: err}
	}
	if text, err = unwrapped(path, text, kms); err != nil {
		return nil, err
	}
	f := &File{path: path, kms: kms, stamp: info}
	return f, f.parse(text)
}

// refresh reads the file again if it is another. One that is being replaced, or is damaged, is left for the next time.
func (f *File) refresh() {
	info, err := os.Stat(f.path)
	if err != nil || f.stamp != nil && os.SameFile(info, f.stamp) && info.ModTime().Equal(f.stamp.ModTime()) {
		return
	}
	now, err := OpenFile(f.path, f.kms)
	if err != nil {
		return
	}
	for _, k := range f.keys {
		if _, ok := now.find(k.name); !ok {
			f.former = append(f.former, k)
		}
	}
	f.keys, f.signer, f.stamp = now.keys, now.signer, now.stamp
}

// parse reads lines "master NAME BASE64" and "signer KEY". Errors do not show what stands in the file.
func (f *File) parse(text []byte) error {
	bad := func(line int, what string) error {
		return &domain.Error{Code: domain.Invalid, Path: fmt.Sprintf("%s:%d", f.path, line), Message: what + "; expected a line \"master NAME KEY\" or \"signer KEY\""}
	}
	f.keys, f.signer = nil, ""
	s := bufio.NewScanner(bytes.NewReader(text))
	for line := 1; s.Scan(); line++ {
		word := strings.Fields(s.Text())
		switch {
		case len(word) == 0 || strings.HasPrefix(word[0], "#"):
		case word[0] == "master" && len(word) == 3:
			key, err := base64.StdEncoding.DecodeString(word[2])
			if err != nil || len(key) != chacha20poly1305.KeySize {
				return bad(line, "the key is not 32 bytes in base64")
			}
			if _, twice := f.find(word[1]); twice {
				return bad(line, "the name of the key stands twice")
			}
			aead, err := chacha20poly1305.NewX(key)
			if err != nil {
				return err
			}
			f.keys = append(f.keys, masterKey{word[1], aead, word[2]})
		case word[0] == "signer" && len(word) == 2:
			f.signer = word[1]
		default:
			return bad(line, "the line is not understood")
		}
	}
	if s.Err() != nil || len(f.keys) == 0 || f.signer == "" {
		return bad(1, "the file lacks a master key or the signer")
	}
	return nil
}

func (f *File) find(name string) (masterKey, bool) {
	for _, list := range [][]masterKey{f.keys, f.former} {
		for _, k := range list {
			if k.name == name {
				return k, true
			}
		}
	}
	return masterKey{}, false
}

// NewFile makes a key file with a new master key and the given signing key, wrapped by kms if that is not nil. It refuses to write over one.
func NewFile(path, signer string, kms KMS) (*File, error) {
	f := &File{path: path, kms: kms, signer: signer}
	if err := f.add(); err != nil {
		return nil, err
	}
	content, err := f.content()
	if err != nil {
		return nil, err
	}
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, &domain.Error{Code: domain.Conflict, Path: path, Message: "there is a file already; a key file is never written over"}
	}
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the key file cannot be made", Err: err}
	}
	_, err = w.Write(content)
	return f, errors.Join(err, w.Sync(), w.Close())
}

// add puts a new key in front.
func (f *File) add() error {
	key := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(key) // never fails
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return err
	}
	suffix := make([]byte, 4) // two keys may be made on one day
	_, _ = rand.Read(suffix)
	name := fmt.Sprintf("%s-%x", time.Now().UTC().Format(time.DateOnly), suffix)
	f.keys = append([]masterKey{{name, aead, base64.StdEncoding.EncodeToString(key)}}, f.keys...)
	return nil
}

func (f *File) text() string {
	var b strings.Builder
	b.WriteString(fileHeader)
	for _, k := range f.keys {
		fmt.Fprintf(&b, "master %s %s\n", k.name, k.text)
	}
	fmt.Fprintf(&b, "signer %s\n", f.signer)
	return b.String()
}

// write replaces the file in one step.
func (f *File) write() error {
	content, err := f.content()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".keys-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the key file: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// Renew makes a new current key and keeps the old ones.
func (f *File) Renew() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.keys
	if err := f.add(); err != nil {
		return err
	}
	if err := f.write(); err != nil {
		f.keys = before
		return err
	}
	return nil
}

// Forget removes all keys but the current one. What is still wrapped by them is lost.
func (f *File) Forget() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.keys
	f.keys = f.keys[:1]
	if err := f.write(); err != nil {
		f.keys = before
		return err
	}
	return nil
}

// Signer returns the key that signs the trees, as golang.org/x/mod/sumdb/note encodes it.
func (f *File) Signer() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.signer
}

// Current implements [Master].
func (f *File) Current() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh()
	return f.keys[0].name
}

// Wrap implements [Master].
func (f *File) Wrap(_ context.Context, key []byte, label string) (string, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh()
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce)
	return f.keys[0].name, f.keys[0].aead.Seal(nonce, nonce, key, []byte(label)), nil
}

// Unwrap implements [Master].
func (f *File) Unwrap(_ context.Context, name string, wrapped []byte, label string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.find(name)
	if !ok {
		f.refresh()
		k, ok = f.find(name)
	}
	if !ok {
		return nil, &domain.Error{Code: domain.Unavailable, Path: f.path, Message: fmt.Sprintf("the data are sealed under master key %s, which this key file does not hold", name)}
	}
	if len(wrapped) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("it is too short: %w", ErrDamagedKey)
	}
	key, err := k.aead.Open(nil, wrapped[:chacha20poly1305.NonceSizeX], wrapped[chacha20poly1305.NonceSizeX:], []byte(label))
	if err != nil {
		return nil, fmt.Errorf("it does not open under master key %s: %w, or the key is another of that name", name, ErrDamagedKey)
	}
	return key, nil
}
