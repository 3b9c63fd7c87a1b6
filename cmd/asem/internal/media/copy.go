package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"asem/domain"
)

// Copy copies the files of videos from one folder to another, encrypted as they are, where they are not there yet; each as a whole or not at all. It returns
// the videos of which there is no file. Clips are not copied: they are cut anew when somebody wants to see one.
func Copy(ctx context.Context, from, to string, videos []domain.Video) (missing []domain.Video, err error) {
	if len(videos) == 0 {
		return nil, nil
	}
	target, err := OpenStore(to)
	if err != nil {
		return nil, err
	}
	for _, v := range videos {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := target.take(v.Video, from)
		if err != nil {
			return nil, err
		}
		if !found {
			missing = append(missing, v)
		}
	}
	return missing, nil
}

// take copies one file from another folder; false: there is none.
func (s *Store) take(id, from string) (found bool, err error) {
	path, err := s.path(id)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(path); err == nil {
		return true, nil
	}
	source, err := os.Open(filepath.Join(from, filepath.Base(path)))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("copy a video: %w", err)
	}
	defer func() { _ = source.Close() }() // only read
	f, err := os.CreateTemp(s.dir, unfinished)
	if err != nil {
		return false, fmt.Errorf("copy a video: %w", err)
	}
	_, err = io.Copy(f, source)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return false, fmt.Errorf("copy a video: %w", err)
	}
	return true, nil
}

// WipeOthers wipes the files in a folder of copies that are not of these videos. There need not be such a folder.
func WipeOthers(dir string, videos []domain.Video) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	kept := map[string]bool{}
	for _, v := range videos {
		kept[v.Video] = true
	}
	paths, err := (&Store{dir}).strays(kept, time.Now())
	for _, p := range paths {
		err = errors.Join(err, wipe(p))
	}
	return err
}

// Check reads the file of a video in a folder to its end, and says whether it is the one that was stored.
func Check(ctx context.Context, dir string, v domain.Video) error {
	damaged := func(err error) error {
		return &domain.Error{Code: domain.Invalid, Path: v.Video, Message: "the file of this video is damaged, or another's", Err: err}
	}
	key, ok := v.Key()
	if !ok {
		return &domain.Error{Code: domain.NotFound, Path: v.Video, Message: "the key of this video was destroyed"}
	}
	r, err := (&Store{dir}).Open(v.Video, key)
	if domain.CodeOf(err) == domain.NotFound {
		return err
	}
	if err != nil {
		return damaged(err)
	}
	defer func() { _ = r.Close() }() // only read
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := io.CopyN(h, r, 1<<20)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return damaged(err)
		}
	}
	if hex.EncodeToString(h.Sum(nil)) != v.SHA256 {
		return damaged(nil)
	}
	return nil
}
