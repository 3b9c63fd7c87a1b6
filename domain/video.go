package domain

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

type (
	// VideoStored: the recording of an interaction is kept, encrypted, beside the log.
	VideoStored struct {
		Interaction string `json:"interaction"`
		Video       string `json:"video"`  // UUID
		SHA256      string `json:"sha256"` // of the bytes before encryption, in hexadecimal
		Bytes       int64  `json:"bytes"`
		DurationMs  int    `json:"durationMs"`
		RateNum     int    `json:"rateNum"` // frames per second as a fraction, constant: 30000/1001
		RateDen     int    `json:"rateDen"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		Format      string `json:"format"` // media type: "video/mp4"
	}
	// VideoKeyShared: one partner's part of the key of a video, which is the exclusive or of both parts. Each part is sealed under its person: when either
	// is erased, nothing opens the video again, in no copy and no backup.
	VideoKeyShared struct {
		Role  Role   `json:"role"`
		Video string `json:"video"`
		Part  []byte `json:"part"` // 32 bytes
	}
	// VideoDeleted: the bytes are gone.
	VideoDeleted struct {
		Video  string    `json:"video"`
		Reason string    `json:"reason"` // one of the reasons below
		At     time.Time `json:"at"`     // UTC
	}
)

// Why a video was deleted.
const (
	VideoWithdrawn = "withdrawn" // a partner no longer agrees to video
	VideoErased    = "erased"    // a partner's data were erased
	VideoRetention = "retention" // it was kept as long as the study keeps videos
	VideoReplaced  = "replaced"
)

func (VideoStored) isEvent()    {}
func (VideoKeyShared) isEvent() {}
func (VideoDeleted) isEvent()   {}

// Video is a recording that is kept.
type Video struct {
	VideoStored
	Wave     int
	StoredAt time.Time // the interaction's time; retention counts from it
	parts    map[Role][]byte
}

// Key returns the key of the video, 32 bytes; false where a partner's part is gone.
func (v Video) Key() ([]byte, bool) {
	if len(v.parts) < 2 {
		return nil, false
	}
	key := make([]byte, 32)
	for _, part := range v.parts {
		for i := range key {
			key[i] ^= part[i]
		}
	}
	return key, true
}

func (c *Couple) applyVideo(e Event) {
	switch e := e.(type) {
	case VideoStored:
		in := c.interactions[e.Interaction]
		v := c.videos[e.Video]
		v.VideoStored, v.Wave, v.StoredAt = e, in.wave, in.heldAt
		set(&c.videos, e.Video, v)
	case VideoKeyShared:
		v := c.videos[e.Video]
		if len(e.Part) == 32 {
			set(&v.parts, e.Role, e.Part)
		}
		set(&c.videos, e.Video, v)
	case VideoDeleted:
		delete(c.videos, e.Video)
	}
}

// Videos lists the recordings that are kept, by their codes.
func (c *Couple) Videos() (list []Video) {
	for _, code := range slices.Sorted(maps.Keys(c.videos)) {
		if v := c.videos[code]; v.Video != "" {
			list = append(list, v)
		}
	}
	return list
}

// VideoOf returns the recording of an interaction.
func (c *Couple) VideoOf(interaction string) (Video, bool) {
	return find(c.Videos(), func(v Video) bool { return v.Interaction == interaction })
}

// ClipOf returns from where to where in its interaction a clip runs, in ms.
func (c *Couple) ClipOf(code string) (interaction string, startMs, endMs int, ok bool) {
	cut, ok := c.clips[code]
	return cut.interaction, cut.startMs, cut.endMs, ok
}

// Endangered lists the videos that may not be kept any longer, with the reason.
func (p Past) Endangered(at time.Time) map[string]string {
	gone := map[string]string{}
	for _, v := range p.Couple.Videos() {
		days := p.Study.Protocol.KeepVideosDays
		switch {
		case len(p.Couple.Erased) > 0:
			gone[v.Video] = VideoErased
		case p.mayCode() != nil:
			gone[v.Video] = VideoWithdrawn
		case days > 0 && at.After(v.StoredAt.AddDate(0, 0, days)):
			gone[v.Video] = VideoRetention
		}
	}
	return gone
}

// MayStoreVideo says why no recording of an interaction may be kept; nil if one may. It does not mind one that is kept already.
func (p Past) MayStoreVideo(interaction string) error {
	if err := p.needCouple(); err != nil {
		return err
	}
	if err := p.mayCode(); err != nil {
		return err
	}
	if _, ok := p.Couple.interactions[interaction]; !ok {
		return refuse(NotFound, "interaction", "there is no interaction %q", interaction)
	}
	return nil
}

// HeldInteraction is an interaction that was recorded, with the clips that were cut from it.
type HeldInteraction struct {
	InteractionRecorded
	Clips []ClipCut // by where they begin
}

// Interactions lists the interactions of a couple by when they were held.
func (c *Couple) Interactions() []HeldInteraction {
	list := make([]HeldInteraction, 0, len(c.interactions))
	for code, in := range c.interactions {
		h := HeldInteraction{InteractionRecorded: InteractionRecorded{code, in.task, in.wave, in.durationMs, in.heldAt}}
		for name, cut := range c.clips {
			if cut.interaction == code {
				h.Clips = append(h.Clips, ClipCut{name, code, cut.startMs, cut.endMs})
			}
		}
		slices.SortFunc(h.Clips, func(a, b ClipCut) int { return cmp.Or(cmp.Compare(a.StartMs, b.StartMs), cmp.Compare(a.Clip, b.Clip)) })
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b HeldInteraction) int {
		return cmp.Or(a.HeldAt.Compare(b.HeldAt), cmp.Compare(a.Interaction, b.Interaction))
	})
	return list
}

// StoreVideo records that the recording of an interaction is kept. The bytes are there before.
type StoreVideo struct {
	Study, Couple string
	Video         VideoStored
	Parts         map[Role][]byte // of its key, one for each partner
}

func (c StoreVideo) Target() Target { return Target{c.Study, c.Couple} }

func (c StoreVideo) decide(p Past) ([]Event, error) {
	v := c.Video
	if err := p.MayStoreVideo(v.Interaction); err != nil {
		return nil, err
	}
	if old, ok := p.Couple.videos[v.Video]; ok && old.VideoStored == v {
		return nil, nil
	}
	var k checks
	k.add(CheckCode("video", v.Video))
	sum, err := hex.DecodeString(v.SHA256)
	k.that(err == nil && len(sum) == 32, "sha256", "this is no SHA-256 in hexadecimal")
	k.that(v.Bytes > 0 && v.DurationMs > 0, "bytes", "the video is empty")
	k.that(v.RateNum > 0 && v.RateDen > 0 && v.RateNum/v.RateDen <= 240, "rate", "the frame rate is %d/%d; expected more than 0 and at most 240", v.RateNum, v.RateDen)
	k.that(v.Width > 0 && v.Height > 0 && v.Width <= 8192 && v.Height <= 8192, "width", "the picture is %d x %d", v.Width, v.Height)
	k.that(v.Format == "video/mp4" || v.Format == "video/webm", "format", "%q is not a format that browsers play; expected video/mp4 or video/webm", v.Format)
	_, there := p.Couple.VideoOf(v.Interaction)
	k.that(!there, "interaction", "interaction %s has a video; delete it first", v.Interaction)
	k.that(len(c.Parts) == len(p.Couple.Participants), "parts", "there are %d parts of the key; expected one for each partner", len(c.Parts))
	for _, who := range p.Couple.Participants {
		k.that(len(c.Parts[who.Role]) == 32, "parts", "the part of role %s has %d bytes; expected 32", who.Role, len(c.Parts[who.Role]))
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	list := []Event{v}
	for _, who := range p.Couple.Participants {
		list = append(list, VideoKeyShared{who.Role, v.Video, c.Parts[who.Role]})
	}
	return list, nil
}

// DeleteVideo records that the bytes of a video are gone.
type DeleteVideo struct {
	Study, Couple string
	Video         string
	Reason        string
	At            time.Time
}

func (c DeleteVideo) Target() Target { return Target{c.Study, c.Couple} }

func (c DeleteVideo) decide(p Past) ([]Event, error) {
	if p.Couple == nil {
		return nil, refuse(NotFound, "couple", "there is no such couple")
	}
	if v, ok := p.Couple.videos[c.Video]; !ok || v.Video == "" {
		return nil, nil
	}
	switch c.Reason {
	case VideoWithdrawn, VideoErased, VideoRetention, VideoReplaced:
		return []Event{VideoDeleted{c.Video, c.Reason, c.At.UTC()}}, nil
	}
	return nil, refuse(Invalid, "reason", "%q is not a reason to delete a video", c.Reason)
}
