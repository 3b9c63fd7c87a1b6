package media

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Executor is what a library reads from and writes to the log by; events.Executor fits it.
type Executor interface {
	Past(ctx context.Context, study, couple string) (domain.Past, error)
	Execute(ctx context.Context, o domain.Order) (domain.Receipt, error)
}

// Couple names a couple of a study.
type Couple struct{ Study, Code string }

// Config is what a library works with.
type Config struct {
	Dir      string
	Executor Executor
	Keyed    func(purpose string, parts ...string) []byte // 32 bytes that only this study's servers can make
	Tools    Tools
	MaxBytes int64 // of an upload; 0 means 8 GB
	Logger   *slog.Logger
	Now      func() time.Time // nil: the clock
}

// Library keeps the videos of studies.
type Library struct {
	Config
	store *Store
	turn  chan struct{} // one conversion at a time: it takes a core
	cuts  chan struct{} // and one clip at a time: a coder waits for it, and should not for a conversion
	work  sync.WaitGroup
	ctx   context.Context // while which work is done; see Start

	mu       sync.Mutex
	held     map[string]bool   // uploads that are being written to or worked on
	outcomes map[place]Outcome // what became of uploads and clips lately
}

// place is what an outcome is of: the video of an interaction, or a clip of it.
type place struct{ study, couple, interaction, clip string }

func (u Upload) place() place { return place{u.Study, u.Couple, u.Interaction, ""} }

// Outcome is how the taking in of a video, or the cutting of a clip, stands.
type Outcome struct {
	Working bool
	Share   float64 // done, 0 to 1
	Problem string  // why it was refused; empty: it was not
	At      time.Time
}

// Open opens a library in a folder, and makes it where there is none.
func Open(c Config) (*Library, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = 8_000_000_000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	store, err := OpenStore(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "uploads"), 0o700); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: c.Dir, Message: "the folder of the videos cannot be written to", Err: err}
	}
	if err := claim(filepath.Join(c.Dir, "owner"), hex.EncodeToString(c.Keyed("folder of the videos")[:16])); err != nil {
		return nil, err
	}
	return &Library{Config: c, store: store, turn: make(chan struct{}, 1), cuts: make(chan struct{}, 1), held: map[string]bool{}, outcomes: map[place]Outcome{}}, nil
}

// claim marks a folder as this installation's, so that no other takes its videos for leftovers of its own.
func claim(path, mark string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(mark + "\n")
		return errors.Join(err, f.Sync(), f.Close())
	}
	is, e := os.ReadFile(path)
	if e != nil {
		return fmt.Errorf("claim the folder of the videos: %w", errors.Join(err, e))
	}
	if strings.TrimSpace(string(is)) != mark {
		return &domain.Error{Code: domain.Conflict, Path: path, Message: "the folder holds the videos of another installation; name another with --media"}
	}
	return nil
}

// hold keeps others off an upload; false: somebody has it.
func (l *Library) hold(id string) (done func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[id] {
		return nil, false
	}
	l.held[id] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, id)
	}, true
}

func (l *Library) busy(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[id]
}

func (l *Library) tell(p place, o Outcome) {
	o.At = l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes[p] = o
}

func (l *Library) forgetOutcome(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.outcomes, p)
}

// Outcome returns how the taking in of the video of an interaction stands, or the cutting of a clip of it; false: nothing is known.
func (l *Library) Outcome(study, couple, interaction, clip string) (Outcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.outcomes[place{study, couple, interaction, clip}]
	return o, ok
}

// Work takes in a complete upload beside whatever else is done. It begins no sooner than [Library.Start], with which also goes on what was interrupted.
func (l *Library) Work(u Upload) {
	l.background(u.ID, u.place(), "a video could not be taken in", func(ctx context.Context) error {
		err := inTurn(ctx, l.turn, func() error { return l.takeIn(ctx, u) })
		if ctx.Err() != nil { // goes on after the next start
			return err
		}
		if err := l.Abandon(u.ID); err != nil {
			l.Logger.Error("an upload could not be wiped", "error", err.Error())
		}
		return err
	})
}

// background does work on a file beside whatever else is done, and keeps what becomes of it. Nothing is done twice at once.
func (l *Library) background(id string, of place, failed string, work func(context.Context) error) {
	ctx := l.ctx
	if ctx == nil {
		return
	}
	done, ok := l.hold(id)
	if !ok {
		return // it is being worked on
	}
	l.tell(of, Outcome{Working: true})
	l.work.Go(func() {
		defer done()
		err := work(ctx)
		var refusal *domain.Error
		switch {
		case err == nil:
			l.forgetOutcome(of)
		case ctx.Err() != nil:
		case errors.As(err, &refusal) && refusal.Code != domain.Internal && refusal.Code != domain.Unavailable:
			l.tell(of, Outcome{Problem: refusal.Message})
		default:
			l.Logger.Error(failed, "error", err.Error())
			l.tell(of, Outcome{Problem: failed + ", and not for a fault of the file; try again later"})
		}
	})
}

// inTurn does work when nobody else does work of the kind.
func inTurn(ctx context.Context, turn chan struct{}, work func() error) error {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start lets work be done until ctx ends, and goes on with the uploads that were complete when the last server ended. It comes before any other call.
func (l *Library) Start(ctx context.Context) error {
	l.ctx = ctx
	list, err := l.Uploads("", "")
	if err != nil {
		return err
	}
	for _, u := range list {
		if u.Complete() {
			l.Work(u)
		}
	}
	return nil
}

// Wait waits until nothing is under way.
func (l *Library) Wait() { l.work.Wait() }

// takeIn checks an upload, converts it, keeps it, and cuts the clips that there are of it.
func (l *Library) takeIn(ctx context.Context, u Upload) error {
	p, err := l.pieces(u.ID)
	if err != nil {
		return err
	}
	defer func() { _ = p.close() }() // only read
	if p.size != u.Size {
		return unfit("%d of %d bytes are there", p.size, u.Size)
	}
	if err := hashIs(ctx, p, p.size, u.SHA256); err != nil {
		return err
	}
	progress := func(share float64) { l.tell(u.place(), Outcome{Working: true, Share: share}) }
	err = l.Tools.Convert(ctx, p, p.size, l.store.dir, progress, func(r *io.SectionReader, is Facts) error {
		_, err := l.Keep(ctx, domain.Actor{Role: domain.ActorCoordinator, Subject: u.User}, Couple{u.Study, u.Couple}, u.Interaction, is, r)
		return err
	})
	if err != nil {
		return err
	}
	return l.CutAll(ctx, Couple{u.Study, u.Couple})
}

func hashIs(ctx context.Context, r io.ReaderAt, size int64, want string) error {
	h := sha256.New()
	for at := int64(0); at < size; at += 1 << 20 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.Copy(h, io.NewSectionReader(r, at, min(1<<20, size-at))); err != nil {
			return fmt.Errorf("read an upload: %w", err)
		}
	}
	if want != "" && hex.EncodeToString(h.Sum(nil)) != want {
		return unfit("what arrived is not what was sent (the SHA-256 differs): the file changed meanwhile, or was damaged on its way; send it again")
	}
	return nil
}

// Keep stores a video that browsers can play, under a new key in two parts, and says so in the log. An order that is refused leaves nothing.
func (l *Library) Keep(ctx context.Context, by domain.Actor, couple Couple, interaction string, is Facts, r io.Reader) (domain.VideoStored, error) {
	past, err := l.Executor.Past(ctx, couple.Study, couple.Code)
	if err != nil {
		return domain.VideoStored{}, err
	}
	if err := past.MayStoreVideo(interaction); err != nil {
		return domain.VideoStored{}, err
	}
	for _, in := range past.Couple.Interactions() {
		for _, c := range in.Clips {
			if in.Interaction == interaction && c.EndMs > is.DurationMs {
				return domain.VideoStored{}, unfit("the video lasts %s s, but clip %s, which was cut from this interaction, ends at %s s", inSeconds(is.DurationMs), c.Clip, inSeconds(c.EndMs))
			}
		}
	}
	id, key, parts := uuid.NewString(), make([]byte, 32), map[domain.Role][]byte{}
	for _, who := range past.Couple.Participants {
		part := make([]byte, 32)
		_, _ = rand.Read(part) // never fails
		parts[who.Role] = part
		for i := range key {
			key[i] ^= part[i]
		}
	}
	w, err := l.store.Create(id, key)
	if err != nil {
		return domain.VideoStored{}, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), r)
	if err != nil {
		return domain.VideoStored{}, errors.Join(fmt.Errorf("store a video: %w", err), w.Close())
	}
	if err := w.Commit(); err != nil {
		return domain.VideoStored{}, err
	}
	v := domain.VideoStored{Interaction: interaction, Video: id, SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n, DurationMs: is.DurationMs, RateNum: is.RateNum, RateDen: is.RateDen,
		Width: is.Width, Height: is.Height, Format: "video/mp4"}
	if is.Codec != "h264" {
		v.Format = "video/webm"
	}
	_, err = l.Executor.Execute(ctx, domain.Order{ID: uuid.NewString(), By: by, At: l.Now(), Command: domain.StoreVideo{Study: couple.Study, Couple: couple.Code, Video: v, Parts: parts}})
	if code := domain.CodeOf(err); err != nil && code != domain.Internal && code != domain.Unavailable {
		return domain.VideoStored{}, errors.Join(err, l.store.Delete(id)) // with others it may have been stored after all, and else it is swept
	}
	return v, err
}

// Delete wipes a video and its clips, and says so in the log.
func (l *Library) Delete(ctx context.Context, by domain.Actor, couple Couple, video, reason string) error {
	if err := l.store.Delete(video); err != nil {
		return err
	}
	_, err := l.Executor.Execute(ctx, domain.Order{ID: uuid.NewString(), By: by, At: l.Now(), Command: domain.DeleteVideo{Study: couple.Study, Couple: couple.Code, Video: video, Reason: reason, At: l.Now()}})
	return err
}

// strayAfter is how old a file of which the log does not know must be before it is swept: one that is just being stored is younger.
const strayAfter = time.Hour

// Purge destroys the videos of couples that may be kept no longer: a partner was erased or no longer agrees, or their time is over; and all uploads of the kind. It
// returns the videos that stay.
func (l *Library) Purge(ctx context.Context, couples ...Couple) (kept map[string]bool, err error) {
	kept = map[string]bool{}
	for _, c := range couples {
		past, e := l.Executor.Past(ctx, c.Study, c.Code)
		if e != nil { // what is wrong with one couple must not keep the videos of another
			err = errors.Join(err, e)
			continue
		}
		if past.Couple == nil {
			continue
		}
		over := past.Endangered(l.Now())
		for video, reason := range over {
			err = errors.Join(err, l.Delete(ctx, domain.Actor{Role: domain.ActorSystem, Subject: "asem"}, c, video, reason))
		}
		for _, v := range past.Couple.Videos() {
			if _, gone := over[v.Video]; !gone {
				kept[v.Video] = true
			}
		}
	}
	return kept, errors.Join(err, l.sweepUploads(ctx))
}

// Sweep purges, and clears away what nobody needs: files of which no log knows, uploads that nobody went on with, and what a killed server left. couples are
// all that ever had a video.
func (l *Library) Sweep(ctx context.Context, couples []Couple) error {
	kept, err := l.Purge(ctx, couples...)
	if err != nil {
		return err
	}
	paths, err := l.store.strays(kept, l.Now().Add(-strayAfter))
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := wipe(p); err != nil {
			return err
		}
	}
	return nil
}
