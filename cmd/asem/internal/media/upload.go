package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Upload is a recording on its way in.
type Upload struct {
	ID          string    `json:"id"`
	Study       string    `json:"study"`
	Couple      string    `json:"couple"`
	Interaction string    `json:"interaction"`
	User        string    `json:"user"`   // who sends it
	Size        int64     `json:"size"`   // bytes; what was received is compared with it
	SHA256      string    `json:"sha256"` // in hexadecimal; empty: not known
	Begun       time.Time `json:"begun"`

	Received int64 `json:"-"`
}

// Complete reports whether all bytes are there.
func (u Upload) Complete() bool { return u.Received == u.Size }

const (
	// pieceSize is how much of an upload a killed server loses at most.
	pieceSize = 8 << 20
	// uploadLife is how long an upload waits for the rest.
	uploadLife = 24 * time.Hour
	metaFile   = "meta"
	pieceFile  = ".piece"
)

// Uploads lie each in a folder: a file that says what it is, and pieces, named by where they begin. All are encrypted under a key of the upload, which is derived from
// what only the database holds; see [Config.Keyed].
func (l *Library) uploadDir(id string) string           { return filepath.Join(l.store.dir, "uploads", id) }
func (l *Library) uploadKey(id string) []byte           { return l.Keyed("upload of a video", id) }
func (l *Library) pieceName(id string, at int64) string { return fmt.Sprintf("%s/%016x", id, at) }
func (l *Library) piecePath(id string, at int64) string {
	return filepath.Join(l.uploadDir(id), fmt.Sprintf("%016x%s", at, pieceFile))
}

// Begin opens an upload. It refuses what could not be kept at the end, before a byte is sent.
func (l *Library) Begin(ctx context.Context, u Upload) (Upload, error) {
	if err := l.Tools.Err(); err != nil {
		return u, err
	}
	sum, err := hex.DecodeString(u.SHA256)
	switch {
	case u.Size <= 0:
		return u, unfit("the file is empty")
	case u.Size > l.MaxBytes:
		return u, l.tooLarge()
	case u.SHA256 != "" && (err != nil || len(sum) != sha256.Size):
		return u, unfit("the SHA-256 of the file must come in hexadecimal")
	}
	past, err := l.Executor.Past(ctx, u.Study, u.Couple)
	if err != nil {
		return u, err
	}
	if err := past.MayStoreVideo(u.Interaction); err != nil {
		return u, err
	}
	if _, there := past.Couple.VideoOf(u.Interaction); there {
		return u, &domain.Error{Code: domain.Conflict, Path: "interaction", Message: fmt.Sprintf("interaction %s has a video; delete it first", u.Interaction)}
	}
	u.ID, u.Begun, u.Received = uuid.NewString(), l.Now().UTC(), 0
	if err := os.MkdirAll(l.uploadDir(u.ID), 0o700); err != nil {
		return u, fmt.Errorf("begin an upload: %w", err)
	}
	if err := l.describe(u); err != nil {
		return u, errors.Join(err, l.Abandon(u.ID))
	}
	l.forgetOutcome(u.place())
	return u, nil
}

func (l *Library) tooLarge() error {
	return unfit("the file is larger than %d MB, which is the most that this server takes", l.MaxBytes/1_000_000)
}

// describe writes what an upload is.
func (l *Library) describe(u Upload) error {
	text, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("begin an upload: %w", err)
	}
	w, err := create(filepath.Join(l.uploadDir(u.ID), metaFile), u.ID+"/"+metaFile, l.uploadKey(u.ID))
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return errors.Join(err, w.Close())
	}
	return w.Commit()
}

// Upload returns an upload and how far it has come.
func (l *Library) Upload(id string) (Upload, error) {
	gone := &domain.Error{Code: domain.NotFound, Path: "upload", Message: "there is no such upload any more; begin again"}
	if !fileID.MatchString(id) {
		return Upload{}, gone
	}
	r, err := open(filepath.Join(l.uploadDir(id), metaFile), id+"/"+metaFile, l.uploadKey(id))
	if domain.CodeOf(err) == domain.NotFound {
		return Upload{}, gone
	}
	if err != nil {
		return Upload{}, err
	}
	var u Upload
	err = errors.Join(json.NewDecoder(io.LimitReader(r, 64<<10)).Decode(&u), r.Close())
	if err != nil {
		return Upload{}, fmt.Errorf("read an upload: %w", err)
	}
	pieces, err := l.pieces(id)
	if err != nil {
		return Upload{}, err
	}
	u.Received = pieces.size
	return u, nil
}

// Append adds to an upload what comes from a reader, beginning at an offset, which must be what was received before; else the error has the code conflict. What came
// before a reader broke is kept. It returns how much is there now, also with an error.
func (l *Library) Append(ctx context.Context, id string, offset int64, r io.Reader) (int64, error) {
	done, ok := l.hold(id)
	if !ok {
		return 0, &domain.Error{Code: domain.Limited, Path: "upload", Message: "the upload is being written to already; try again in a while"}
	}
	defer done()
	u, err := l.Upload(id)
	if err != nil {
		return 0, err
	}
	if offset != u.Received {
		return u.Received, &domain.Error{Code: domain.Conflict, Path: "offset", Message: fmt.Sprintf("the upload goes on at byte %d, not %d", u.Received, offset)}
	}
	for at := u.Received; ; {
		n, more, err := l.addPiece(ctx, id, at, io.LimitReader(r, min(pieceSize, u.Size-at+1)), u.Size-at)
		at += n
		if err != nil || !more {
			return at, err
		}
	}
}

// addPiece stores one piece of at most so many bytes; more says that there may be another.
func (l *Library) addPiece(ctx context.Context, id string, at int64, r io.Reader, room int64) (n int64, more bool, err error) {
	w, err := create(l.piecePath(id, at), l.pieceName(id, at), l.uploadKey(id))
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	from := &source{r: r}
	n, err = io.Copy(w, from)
	switch {
	case err != nil && from.err == nil: // it is not the sender who is at fault
		return 0, false, fmt.Errorf("store a piece of an upload: %w", err)
	case n > room:
		return 0, false, unfit("more bytes came than the upload was said to have; nothing of them was kept")
	case n == 0:
		return 0, false, nil
	}
	if err := w.Commit(); err != nil {
		return 0, false, err
	}
	if from.err != nil || ctx.Err() != nil {
		return n, false, &domain.Error{Code: domain.Unavailable, Path: "upload", Message: "the connection broke; go on where it ended", Err: from.err}
	}
	return n, n >= pieceSize, nil
}

// source remembers what went wrong with reading.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Receive takes in a file at once, of which neither size nor sum is known before: what a form without script sends.
func (l *Library) Receive(ctx context.Context, u Upload, r io.Reader) (_ Upload, err error) {
	u.Size, u.SHA256 = l.MaxBytes, ""
	if u, err = l.Begin(ctx, u); err != nil {
		return u, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Abandon(u.ID))
		}
	}()
	n, err := l.Append(ctx, u.ID, 0, r)
	switch {
	case err != nil && domain.CodeOf(err) == domain.Invalid:
		return u, l.tooLarge()
	case err != nil:
		return u, err
	case n == 0:
		return u, unfit("the file is empty")
	}
	u.Size, u.Received = n, n
	if err := os.Remove(filepath.Join(l.uploadDir(u.ID), metaFile)); err != nil {
		return u, fmt.Errorf("receive a file: %w", err)
	}
	return u, l.describe(u)
}

// Abandon ends an upload and wipes what there is of it.
func (l *Library) Abandon(id string) error {
	if !fileID.MatchString(id) {
		return nil
	}
	return wipeAll(l.uploadDir(id))
}

// wipeAll wipes the files of a folder, and takes it away.
func wipeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end an upload: %w", err)
	}
	for _, e := range entries {
		err = errors.Join(err, wipe(filepath.Join(dir, e.Name())))
	}
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("end an upload: %w", err)
	}
	return nil
}

// Uploads lists what is on its way in; of all couples where the study is empty.
func (l *Library) Uploads(study, couple string) (list []Upload, err error) {
	entries, err := os.ReadDir(filepath.Join(l.store.dir, "uploads"))
	if err != nil {
		return nil, fmt.Errorf("list the uploads: %w", err)
	}
	for _, e := range entries {
		u, err := l.Upload(e.Name())
		if err != nil { // being begun or ended; if not, it is swept when it is old
			continue
		}
		if study == "" || u.Study == study && u.Couple == couple {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b Upload) int { return a.Begun.Compare(b.Begun) })
	return list, nil
}

// sweepUploads ends what nobody went on with, and what may not be kept.
func (l *Library) sweepUploads(ctx context.Context) error {
	entries, err := os.ReadDir(filepath.Join(l.store.dir, "uploads"))
	if err != nil {
		return fmt.Errorf("sweep the uploads: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || l.busy(e.Name()) {
			continue
		}
		u, err := l.Upload(e.Name())
		over := err == nil && l.Now().Sub(u.Begun) > uploadLife || err != nil && l.Now().Sub(info.ModTime()) > time.Hour
		if err == nil && !over {
			past, err := l.Executor.Past(ctx, u.Study, u.Couple)
			if err != nil {
				return err
			}
			over = past.MayStoreVideo(u.Interaction) != nil
		}
		if over {
			if err := wipeAll(filepath.Join(l.store.dir, "uploads", e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// pieces are the pieces of an upload as one: random access to its plain bytes.
type pieces struct {
	lib    *Library
	id     string
	starts []int64
	size   int64

	mu sync.Mutex
	at int // of the one that is open
	r  *Reader
}

// pieces finds the pieces that follow each other without a gap.
func (l *Library) pieces(id string) (*pieces, error) {
	entries, err := os.ReadDir(l.uploadDir(id))
	if err != nil {
		return nil, fmt.Errorf("read an upload: %w", err)
	}
	p := &pieces{lib: l, id: id, at: -1}
	for _, e := range entries { // in the order of their names, which is that of where they begin
		hex, ok := strings.CutSuffix(e.Name(), pieceFile)
		start, err := strconv.ParseInt(hex, 16, 64)
		if !ok || err != nil || start != p.size {
			continue
		}
		r, err := open(l.piecePath(id, start), l.pieceName(id, start), l.uploadKey(id))
		if err != nil {
			return nil, fmt.Errorf("read an upload: %w", err)
		}
		p.starts = append(p.starts, start)
		p.size += r.Size()
		if err := r.Close(); err != nil {
			return nil, fmt.Errorf("read an upload: %w", err)
		}
	}
	return p, nil
}

// ReadAt implements io.ReaderAt.
func (p *pieces) ReadAt(b []byte, off int64) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n < len(b) {
		if off+int64(n) >= p.size {
			return n, io.EOF
		}
		i, found := slices.BinarySearch(p.starts, off+int64(n))
		if !found {
			i--
		}
		if i != p.at {
			if err := p.close(); err != nil {
				return n, err
			}
			if p.r, err = open(p.lib.piecePath(p.id, p.starts[i]), p.lib.pieceName(p.id, p.starts[i]), p.lib.uploadKey(p.id)); err != nil {
				return n, err
			}
			p.at = i
		}
		m, err := p.r.ReadAt(b[n:], off+int64(n)-p.starts[i])
		n += m
		if err != nil && (!errors.Is(err, io.EOF) || m == 0) {
			return n, err
		}
	}
	return n, nil
}

func (p *pieces) close() error {
	if p.r == nil {
		return nil
	}
	err := p.r.Close()
	p.r, p.at = nil, -1
	return err
}
