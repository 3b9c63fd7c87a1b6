package media

import _ "embed"

var (
	//go:embed synthetic/two-shapes.mp4
	twoShapesMP4 []byte
	//go:embed synthetic/two-shapes.webm
	twoShapesWebM []byte
)

// Clip is a video that browsers play as it is.
type Clip struct {
	Facts
	File []byte
}

// Synthetic returns clips for demonstrations: two shapes that move toward and away from each other for 12 seconds, with the number of the frame as a row of squares. They
// were drawn by synthetic/make.sh and show nobody.
func Synthetic() []Clip {
	clip := func(file []byte, codec string) Clip {
		return Clip{Facts{DurationMs: 12_000, RateNum: 25, RateDen: 1, Width: 320, Height: 180, Codec: codec, Sound: true}, file}
	}
	return []Clip{clip(twoShapesMP4, "h264"), clip(twoShapesWebM, "vp9")}
}
