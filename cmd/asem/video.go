package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"asem/cmd/asem/internal/media"
	"asem/projections"
)

// openVideos opens the folder of the videos, and makes it where there is none.
func (h *house) openVideos(log *slog.Logger) (err error) {
	if h.videos == nil {
		h.videos, err = media.Open(media.Config{Dir: h.media, Executor: h.exec, Keyed: h.access.Keyed, Tools: media.FindTools(), Logger: log})
	}
	return err
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
