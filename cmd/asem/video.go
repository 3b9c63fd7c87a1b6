package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/events"
	"asem/events/seal"
	"asem/projections"
)

// openVideos opens the folder of the videos, and makes it where there is none.
func (h *house) openVideos(log *slog.Logger) (err error) {
	if h.videos == nil {
		h.videos, err = media.Open(media.Config{Dir: h.media, Executor: h.exec, Keyed: h.access.Keyed, Tools: media.FindTools(), Logger: log})
	}
	return err
}

// demoInteraction is the code of the interactions that the demo has videos of.
const demoInteraction = "shapes"

// demoVideos gives the first couples of the demo a synthetic video, with a clip to code that is all of it: to cut one would take ffmpeg.
func (h *house) demoVideos(ctx context.Context, log *slog.Logger, study string) error {
	if err := h.openVideos(log); err != nil {
		return err
	}
	by := domain.Actor{Role: domain.ActorSystem, Subject: "asem demo"}
	for n, clip := range slices.Concat(media.Synthetic(), media.Synthetic()) {
		couple := fmt.Sprintf("%03d", n+1)
		past, err := h.exec.Past(ctx, study, couple)
		if err != nil {
			return err
		}
		const interaction = demoInteraction
		if len(past.Couple.Participants) == 0 || len(past.Study.Protocol.Tasks) == 0 {
			continue
		}
		if _, there := past.Couple.VideoOf(interaction); there {
			continue
		}
		task := past.Study.Protocol.Tasks[0]
		held := past.Couple.EnrolledOn.At(16, time.UTC)
		for _, c := range []domain.Command{
			domain.RecordInteraction{Study: study, Couple: couple, Interaction: interaction, Task: task.Code, DurationMs: clip.DurationMs, HeldAt: held},
			domain.CutClip{Study: study, Couple: couple, Clip: interaction + "-1", Interaction: interaction, EndMs: clip.DurationMs},
		} {
			if err := h.order(ctx, c); err != nil {
				return err
			}
		}
		if _, err := h.videos.Keep(ctx, by, media.Couple{Study: study, Code: couple}, interaction, clip.Facts, bytes.NewReader(clip.File)); err != nil {
			return err
		}
	}
	return nil
}

// demoTraining gives a coder the clips of the synthetic videos as training, beside criterion scores in the middle of every scale. Ratings of training
// are no data of the couples.
func (h *house) demoTraining(ctx context.Context, study, judge string) error {
	if err := h.order(ctx, domain.EnlistJudge{Study: study, Judge: judge}); err != nil {
		return err
	}
	for n := range 2 * len(media.Synthetic()) {
		couple := fmt.Sprintf("%03d", n+1)
		past, err := h.exec.Past(ctx, study, couple)
		if err != nil {
			return err
		}
		if _, there := past.Couple.VideoOf(demoInteraction); !there || len(past.Study.Protocol.Schemes) == 0 {
			continue
		}
		scheme := past.Study.Protocol.Schemes[0]
		criterion := domain.SetCriterion{Study: study, Couple: couple, Clip: demoInteraction + "-1", Scheme: scheme.Code}
		for _, d := range scheme.Dimensions {
			for _, r := range past.Study.Protocol.Roles {
				criterion.Scores = append(criterion.Scores, domain.CriterionScore{Dimension: d.Code, Target: r.Role, Value: (d.Min + d.Max) / 2})
			}
		}
		assignment := uuid.NewSHA1(uuid.NameSpaceURL, []byte("training "+judge+" "+couple)).String()
		for _, c := range []domain.Command{criterion, domain.MakeAssignment{Study: study, Couple: couple, Assignment: assignment, Clip: criterion.Clip, Scheme: scheme.Code, Judge: judge, Place: n + 1,
			Mirrored: n%2 == 1, Purpose: domain.PurposeGold, On: domain.NewDate(2026, time.January, 1)}} {
			if err := h.order(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// purgeVideos destroys the videos of those who are being erased. Without a folder there is nothing to destroy.
func (h *house) purgeVideos(ctx context.Context, erased []projections.Erasure) error {
	if _, err := os.Stat(h.media); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := h.openVideos(slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	couples := make([]media.Couple, len(erased))
	for i, e := range erased {
		couples[i] = media.Couple{Study: e.Study, Code: e.Couple}
	}
	_, err := h.videos.Purge(ctx, couples...)
	return err
}

// sweepVideos destroys, once in a while, what may be kept no longer.
func (h *house) sweepVideos(ctx context.Context, log *slog.Logger, of *projections.Recordings) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := h.sweepVideosOnce(ctx, of); err != nil && ctx.Err() == nil {
			log.Error("videos that may be kept no longer could not be destroyed", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *house) sweepVideosOnce(ctx context.Context, of *projections.Recordings) error {
	list, err := of.Filmed(ctx)
	if err != nil {
		return err
	}
	couples := make([]media.Couple, len(list))
	for i, c := range list {
		couples[i] = media.Couple{Study: c.Study, Code: c.Couple}
	}
	return h.videos.Sweep(ctx, couples)
}

// videoCopies is the folder of the videos beside backups.
const videoCopies = "videos"

// keptVideos lists the videos of a log that may be kept and can be opened.
func keptVideos(ctx context.Context, log *seal.Log) (list []domain.Video, err error) {
	filmed, err := projections.NewRecordings(log).Filmed(ctx)
	if err != nil {
		return nil, err
	}
	exec := events.NewExecutor(log)
	for _, c := range filmed {
		past, err := exec.Past(ctx, c.Study, c.Couple)
		if err != nil {
			return nil, err
		}
		over := past.Endangered(time.Now())
		for _, v := range past.Couple.Videos() {
			if _, gone := over[v.Video]; gone {
				continue
			}
			if _, ok := v.Key(); ok {
				list = append(list, v)
			}
		}
	}
	return list, nil
}

// copyVideos copies to the backups what is not there yet, and says how many videos are there.
func (s storage) copyVideos(ctx context.Context, backups string, a *archived) (n int, err error) {
	log := seal.New(a.log, a.keys)
	list, err := keptVideos(ctx, log)
	if err != nil {
		return 0, err
	}
	missing, err := media.Copy(ctx, s.mediaFolder(), filepath.Join(backups, videoCopies), list)
	if err != nil || len(missing) == 0 {
		return len(list), err
	}
	now, err := keptVideos(ctx, log) // without those that were deleted meanwhile
	if err != nil {
		return 0, err
	}
	missing = slices.DeleteFunc(missing, func(v domain.Video) bool {
		return !slices.ContainsFunc(now, func(k domain.Video) bool { return k.Video == v.Video })
	})
	if len(missing) > 0 {
		return 0, &domain.Error{Code: domain.NotFound, Path: s.mediaFolder(), Message: fmt.Sprintf(
			"the log is backed up, but not every video: this folder lacks %d of %d; name the folder of the videos with --media and back up again", len(missing), len(now))}
	}
	return len(now), nil
}

// restoreVideos takes the videos of a restored log from beside the backup, and reads each to its end before. What is damaged is an error, and the rest is there.
func (c *restoreCmd) restoreVideos(ctx context.Context, h *house, out streams) error {
	list, err := keptVideos(ctx, h.log)
	if err != nil || len(list) == 0 {
		return err
	}
	if err := h.openVideos(slog.New(slog.DiscardHandler)); err != nil { // whose folder it is comes first
		return err
	}
	from := filepath.Join(filepath.Dir(c.File), videoCopies)
	var there []domain.Video
	var damaged []error
	for _, v := range list {
		err := media.Check(ctx, from, v)
		switch {
		case err == nil:
			there = append(there, v)
		case ctx.Err() != nil:
			return err
		case domain.CodeOf(err) != domain.NotFound:
			damaged = append(damaged, err)
		}
	}
	if _, err := media.Copy(ctx, from, h.media, there); err != nil {
		return err
	}
	fmt.Fprintf(out.out, "restored %d of %d videos", len(there), len(list))
	if len(there) < len(list) {
		fmt.Fprint(out.out, "; the others were deleted since, are damaged, or were never beside the backup")
	}
	fmt.Fprintln(out.out)
	return errors.Join(damaged...)
}
