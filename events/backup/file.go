package backup

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"asem/domain"
	"asem/events"
	"asem/events/seal"
)

// magic begins what is encrypted.
const magic = "asem backup 1\n"

// Summary ends a backup and says what it holds.
type Summary struct {
	CreatedAt time.Time       `json:"createdAt"`
	Head      events.Position `json:"head"`
	Events    int             `json:"events"`
	Notes     []string        `json:"notes"` // the signed trees of all studies as they stand at Head
}

// recipient wraps age's file key by a master key.
type recipient struct {
	ctx    context.Context
	master seal.Master
}

const (
	stanzaType = "asem-master"
	keyLabel   = "backup"
)

// Wrap implements [age.Recipient].
func (r recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	name, wrapped, err := r.master.Wrap(r.ctx, fileKey, keyLabel)
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: stanzaType, Args: []string{name}, Body: wrapped}}, nil
}

// Unwrap implements [age.Identity].
func (r recipient) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == stanzaType && len(s.Args) == 1 {
			return r.master.Unwrap(r.ctx, s.Args[0], s.Body, keyLabel)
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// writer writes a backup.
type writer struct {
	sealed io.WriteCloser
	packed *zstd.Encoder
}

func newWriter(ctx context.Context, w io.Writer, master seal.Master) (*writer, error) {
	sealed, err := age.Encrypt(w, recipient{ctx, master})
	if err != nil {
		return nil, fmt.Errorf("encrypt the backup: %w", err)
	}
	packed, err := zstd.NewWriter(sealed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(packed, magic)
	return &writer{sealed, packed}, err
}

func (w *writer) record(data []byte) error {
	if _, err := w.packed.Write(binary.AppendUvarint(nil, uint64(len(data)))); err != nil {
		return err
	}
	_, err := w.packed.Write(data)
	return err
}

func (w *writer) end(s Summary) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := w.packed.Write(append([]byte{0}, text...)); err != nil { // a record of no length ends them
		return err
	}
	return errors.Join(w.packed.Close(), w.sealed.Close())
}

func damaged(what string, err error) error {
	return &domain.Error{Code: domain.Invalid, Path: "backup", Message: "the backup is damaged: " + what, Err: err}
}

// read calls each for every record of a backup in order, and returns its summary. What each gets is its own.
func read(ctx context.Context, r io.Reader, master seal.Master, each func(data []byte) error) (Summary, error) {
	plain, err := age.Decrypt(bufio.NewReader(r), recipient{ctx, master})
	if err != nil {
		if code := domain.CodeOf(err); code == domain.Unavailable {
			return Summary{}, err
		}
		return Summary{}, &domain.Error{Code: domain.Invalid, Path: "backup", Message: "the file is not a backup of asem, or the key file is not the one it was made with", Err: err}
	}
	unpacked, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return Summary{}, damaged("it does not begin as a backup does", err)
	}
	defer unpacked.Close()
	in := bufio.NewReaderSize(unpacked, 1<<16)
	begin := make([]byte, len(magic))
	if _, err := io.ReadFull(in, begin); err != nil || string(begin) != magic {
		return Summary{}, damaged("it does not begin as a backup does", err)
	}
	for {
		n, err := binary.ReadUvarint(in)
		switch {
		case err != nil:
			return Summary{}, damaged("it ends too soon", err)
		case n > 2*events.MaxPayload:
			return Summary{}, damaged("a record is too long", nil)
		case n == 0:
			return summary(in)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(in, data); err != nil {
			return Summary{}, damaged("it ends too soon", err)
		}
		if err := each(data); err != nil {
			return Summary{}, err
		}
		if err := ctx.Err(); err != nil {
			return Summary{}, err
		}
	}
}

func summary(in io.Reader) (s Summary, err error) {
	text, err := io.ReadAll(io.LimitReader(in, 64<<20))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, damaged("it ends too soon", err)
	}
	return s, nil
}
