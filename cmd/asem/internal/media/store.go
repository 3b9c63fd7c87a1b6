package media

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"

	"asem/domain"
)

// Store is a folder of encrypted files, each under a key of its own, which the store does not keep.
type Store struct{ dir string }

// videoFile is what the name of a file ends in; unfinished is what that of one begins with which is being written.
const videoFile, unfinished = ".video", "new-"

var (
	fileID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// A clip is a file beside that of its recording: the recording's id, and from where to where it was cut.
	clipID = regexp.MustCompile(`^([0-9a-f-]{36})\.[0-9]{1,9}-[0-9]{1,9}$`)
)

// recordingOf returns the id of the recording that a file is, or was cut from.
func recordingOf(id string) (string, bool) {
	if cut := clipID.FindStringSubmatch(id); cut != nil {
		id = cut[1]
	}
	return id, fileID.MatchString(id)
}

// OpenStore opens a folder, and makes it, readable by its owner alone, where there is none.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: dir, Message: "the folder of the videos cannot be made", Err: err}
	}
	return &Store{dir}, nil
}

func (s *Store) path(id string) (string, error) {
	if _, ok := recordingOf(id); !ok {
		return "", &domain.Error{Code: domain.Invalid, Path: "video", Message: "the id of a video must be a UUID in small letters"}
	}
	return filepath.Join(s.dir, id+videoFile), nil
}

// Writer writes one file. Until Commit has returned nil there is no such file; Close without it leaves nothing.
type Writer struct {
	file  *os.File
	buf   *bufio.Writer
	plain io.WriteCloser
	path  string // where it will be
	done  bool
}

// Create begins a file under a key of 32 bytes. Memory stays the same however long the file gets.
func (s *Store) Create(id string, key []byte) (*Writer, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	return create(path, id, key)
}

// create begins a file that is bound to a name, beside where it will be.
func create(path, name string, key []byte) (*Writer, error) {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return nil, fmt.Errorf("begin an encrypted file: %w", err)
	}
	w := &Writer{file: f, buf: bufio.NewWriterSize(f, 128<<10), path: path}
	if w.plain, err = age.Encrypt(w.buf, lock{key, name}); err != nil {
		return nil, errors.Join(fmt.Errorf("begin an encrypted file: %w", err), w.Close())
	}
	return w, nil
}

// Write adds to the file.
func (w *Writer) Write(p []byte) (int, error) { return w.plain.Write(p) }

// Commit finishes the file: it is there as a whole, also after a power cut. A file of the same name is an error.
func (w *Writer) Commit() error {
	err := w.plain.Close()
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = os.Link(w.file.Name(), w.path) // which, other than a renaming, never replaces a file
	}
	err = errors.Join(err, w.Close())
	if err == nil {
		err = syncDir(filepath.Dir(w.path))
	}
	if err != nil {
		return fmt.Errorf("finish an encrypted file: %w", err)
	}
	return nil
}

// Close ends the writing. What was not committed is gone.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	return errors.Join(w.file.Close(), os.Remove(w.file.Name()))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Reader is an opened file: random access to the plain bytes. A chunk that was tampered with is an error when it is read; ReadAt may be called concurrently.
type Reader struct {
	*io.SectionReader
	file *os.File
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Open opens a file. One that is not there, is cut short, is another's, or was written under another key is an error; the first has the code not_found.
func (s *Store) Open(id string, key []byte) (*Reader, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	return open(path, id, key)
}

func open(path, name string, key []byte) (*Reader, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &domain.Error{Code: domain.NotFound, Path: "video", Message: "there is no such video", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("open an encrypted file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open an encrypted file: %w", err), f.Close())
	}
	plain, size, err := age.DecryptReaderAt(f, info.Size(), lock{key, name})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open an encrypted file: %w", err), f.Close())
	}
	return &Reader{io.NewSectionReader(plain, 0, size), f}, nil
}

// Delete wipes a file, and what was cut from it, and takes them away. One that is not there is no error. The file itself goes first: whoever is cutting from it meanwhile, and
// finds it gone when the clip is there, takes the clip away.
func (s *Store) Delete(id string) error {
	path, err := s.path(id)
	if err != nil {
		return err
	}
	err = wipe(path)
	entries, e := os.ReadDir(s.dir)
	err = errors.Join(err, e)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id+".") {
			err = errors.Join(err, wipe(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

// Has reports whether a file is there.
func (s *Store) Has(id string) bool {
	path, err := s.path(id)
	if err == nil {
		_, err = os.Stat(path)
	}
	return err == nil
}

// wipe overwrites a file before it takes it away. Where the disk writes elsewhere than where the file was, what stays is of no use: the keys are not on it.
func wipe(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wipe a file: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = zero(f, info.Size())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) { // another server may have been as quick
		return fmt.Errorf("wipe a file: %w", err)
	}
	return nil
}

// zero overwrites the first bytes of a file.
func zero(f *os.File, size int64) error {
	nothing := make([]byte, 256<<10)
	for at := int64(0); at < size; at += int64(len(nothing)) {
		if _, err := f.WriteAt(nothing[:min(int64(len(nothing)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// strays lists the files that neither are among the recordings that are kept nor were cut from one, and were not touched since a moment.
func (s *Store) strays(kept map[string]bool, since time.Time) (paths []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("look through the videos: %w", err)
	}
	for _, e := range entries {
		id, isVideo := strings.CutSuffix(e.Name(), videoFile)
		of, ok := recordingOf(id)
		if e.IsDir() || !(isVideo && ok && !kept[of]) && !strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		if info, err := e.Info(); err == nil && info.ModTime().Before(since) {
			paths = append(paths, filepath.Join(s.dir, e.Name()))
		}
	}
	return paths, nil
}

// lock seals the file key of an age file under a key of 32 bytes, and binds the file to its name.
type lock struct {
	key  []byte
	name string
}

const stanza = "asem-media"

func (l lock) aead() (cipher.AEAD, error) {
	if len(l.key) != 32 {
		return nil, errors.New("a key of the media has 32 bytes")
	}
	key, err := hkdf.Key(sha256.New, l.key, nil, "asem media file key", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Wrap implements age.Recipient.
func (l lock) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	a, err := l.aead()
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: stanza, Body: a.Seal(nil, nil, fileKey, []byte(l.name))}}, nil
}

// Unwrap implements age.Identity.
func (l lock) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	a, err := l.aead()
	if err != nil {
		return nil, err
	}
	for _, s := range stanzas {
		if s.Type != stanza {
			continue
		}
		if key, err := a.Open(nil, nil, s.Body, []byte(l.name)); err == nil {
			return key, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}
