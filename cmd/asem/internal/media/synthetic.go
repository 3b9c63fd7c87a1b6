package media

import _ "embed"

var (
	//go:embed synthetic/two-shapes.mp4
	twoShapesMP4 []byte
	//go:embed synthetic/two-shapes.webm
	twoShapesWebM []byte
)

// Film is a video that browsers play as it is.
type Film struct {
	Facts
	File []byte
}

// Synthetic returns films for demonstrations: two shapes that move toward and away from each other for 12 seconds, with the number of the frame as a row of squares. They
// were drawn by synthetic/make.sh and show nobody.
func Synthetic() []Film {
	film := func(file []byte, codec string) Film {
		return Film{Facts{DurationMs: 12_000, RateNum: 25, RateDen: 1, Width: 320, Height: 180, Codec: codec, Sound: true}, file}
	}
	return []Film{film(twoShapesMP4, "h264"), film(twoShapesWebM, "vp9")}
}
