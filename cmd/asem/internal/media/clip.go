package media

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"asem/domain"
)

// Clip is a stretch of a recording that judges rate. It is a file of its own, so that nobody who is shown it can look at what came before or after; see [Library.Prepare].
type Clip struct {
	Couple         Couple
	Code           string
	StartMs, EndMs int // in the recording
	of             domain.Video
}

// ClipOf returns a clip of a couple; false where there is no recording of it, or where that may be looked at no longer.
func ClipOf(past domain.Past, couple Couple, code string) (Clip, bool) {
	if past.Couple == nil {
		return Clip{}, false
	}
	interaction, start, end, ok := past.Couple.ClipOf(code)
	if !ok || past.MayStoreVideo(interaction) != nil {
		return Clip{}, false
	}
	v, ok := past.Couple.VideoOf(interaction)
	return Clip{couple, code, start, min(end, v.DurationMs), v}, ok
}

// whole reports whether a clip is all of its recording, but for less than a frame. Then the recording is shown.
func (c Clip) whole() bool {
	return c.StartMs == 0 && (c.of.DurationMs-c.EndMs)*c.of.RateNum < 1000*c.of.RateDen
}

// Format is the media type of a clip.
func (c Clip) Format() string {
	if c.whole() {
		return c.of.Format
	}
	return "video/mp4"
}

// file returns where in the store a clip is, and under which key. The key follows from that of the recording, so that whatever closes the recording closes its clips too, in every copy;
// but it does not open the recording.
func (c Clip) file() (id string, key []byte, err error) {
	key, ok := c.of.Key()
	if !ok {
		return "", nil, &domain.Error{Code: domain.NotFound, Path: "video", Message: "there is no video of this clip"}
	}
	if c.whole() {
		return c.of.Video, key, nil
	}
	stretch := fmt.Sprintf("%d-%d", c.StartMs, c.EndMs)
	key, err = hkdf.Key(sha256.New, key, nil, "asem media clip "+stretch, 32)
	return c.of.Video + "." + stretch, key, err
}

// OpenClip opens a clip. One that was not cut yet is an error with the code not_found.
func (l *Library) OpenClip(c Clip) (*Reader, error) {
	id, key, err := c.file()
	if err != nil {
		return nil, err
	}
	return l.store.Open(id, key)
}

// retryAfter is how long after a clip could not be cut it is not tried again.
const retryAfter = time.Minute

// Prepare reports whether a clip can be watched. If not, it is cut from now on, beside whatever else is done, or the outcome says why it cannot be. A server that is killed meanwhile leaves
// nothing of it, and the next call begins anew.
func (l *Library) Prepare(c Clip) (ready bool, o Outcome) {
	id, _, err := c.file()
	if err != nil {
		return false, Outcome{Problem: err.Error()}
	}
	if c.whole() || l.store.Has(id) {
		return true, Outcome{}
	}
	at := place{c.Couple.Study, c.Couple.Code, c.of.Interaction, c.Code}
	if o, _ := l.Outcome(at.study, at.couple, at.interaction, at.clip); o.Problem != "" && l.Now().Sub(o.At) < retryAfter {
		return false, o
	}
	l.background(id, at, "a clip could not be cut", func(ctx context.Context) error {
		return inTurn(ctx, l.cuts, func() error { return l.cut(ctx, c) })
	})
	return false, Outcome{Working: true}
}

// CutAll prepares the clips of a couple.
func (l *Library) CutAll(ctx context.Context, couple Couple) error {
	past, err := l.Executor.Past(ctx, couple.Study, couple.Code)
	if err != nil || past.Couple == nil {
		return err
	}
	for _, in := range past.Couple.Interactions() {
		for _, cut := range in.Clips {
			if c, ok := ClipOf(past, couple, cut.Clip); ok {
				l.Prepare(c)
			}
		}
	}
	return nil
}

// cut makes the file of a clip.
func (l *Library) cut(ctx context.Context, c Clip) error {
	id, key, err := c.file()
	if err != nil || l.store.Has(id) {
		return err
	}
	if c.EndMs <= c.StartMs {
		return unfit("clip %s begins at %s s, but the video ends at %s s", c.Code, inSeconds(c.StartMs), inSeconds(c.of.DurationMs))
	}
	whole, _ := c.of.Key()
	r, err := l.store.Open(c.of.Video, whole)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	return l.Tools.Cut(ctx, r, r.Size(), l.store.dir, c.StartMs, c.EndMs, c.of.RateNum, c.of.RateDen, func(made *io.SectionReader, _ Facts) error {
		w, err := l.store.Create(id, key)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, made); err != nil {
			return errors.Join(fmt.Errorf("store a clip: %w", err), w.Close())
		}
		if err := w.Commit(); err != nil && !errors.Is(err, fs.ErrExist) { // another server was as quick
			return err
		}
		if !l.store.Has(c.of.Video) { // deleted meanwhile
			return l.store.Delete(id)
		}
		return nil
	})
}
