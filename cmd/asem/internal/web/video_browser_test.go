package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// choose puts a file into the one field for files of the page.
func (p *phone) choose(file []byte) {
	p.t.Helper()
	p.script(fmt.Sprintf(`const bytes = Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)), list = new DataTransfer();
		list.items.add(new File([bytes], "couple 017 wave 2.mp4"));
		document.querySelector("input[type=file]").files = list.files`, base64.StdEncoding.EncodeToString(file)))
}

// A video is sent over a connection that breaks, goes on where another upload of the same file ended, and is then watched frame by frame.
func TestAVideoIsSentAndWatchedInABrowser(t *testing.T) {
	needTools(t)
	s := filmed(t)
	p := s.phone()
	p.expected = append(p.expected, "ERR_EMPTY_RESPONSE", "ERR_CONNECTION", "Failed to load resource")
	ana, page := s.member("ana", domain.ActorCoordinator), s.videoPath()
	file := syntheticClip(t, "two-shapes.mp4")
	sum := sha256.Sum256(file)
	text := base64.StdEncoding.EncodeToString
	res, _ := ana.ask(http.MethodPost, page+"/uploads", with(tus, "Upload-Length", strconv.Itoa(len(file)),
		"Upload-Metadata", "interaction "+text([]byte("i1"))+",sha256 "+text([]byte(hex.EncodeToString(sum[:])))), nil)
	require.Equal(t, http.StatusCreated, res.StatusCode)

	p.as(ana)
	p.do(chromedp.Navigate(s.base + page))
	p.shows("An upload stands at 0 %")
	p.look("video-upload")
	p.choose([]byte("this is no video"))
	p.tap("form[data-uploads] button")
	p.shows("neither MP4 nor WebM")
	p.choose(file)
	s.down.Store(true)
	p.tap("form[data-uploads] button")
	p.shows("The connection broke")
	s.down.Store(false)
	p.shows("Delete the video")
	uploads, err := s.videos.Uploads("", "")
	require.NoError(t, err)
	assert.Empty(t, uploads, "it went on with the upload that was there")
	p.look("video")

	cleo, clip := s.give("cleo", "c2")
	s.videos.Wait() // it is cut as soon as the video is there
	p.as(cleo)
	p.do(chromedp.Navigate(s.base + "/staff"))
	p.shows("Your studies")
	p.script(fmt.Sprintf(`const v = document.createElement("video");
		v.muted = true; v.src = "%s/video"; document.body.append(v);
		v.onloadeddata = () => { document.body.dataset.loaded = v.duration };
		v.onerror = () => { document.body.dataset.loaded = "error " + v.error.message };
		window.frameAt = (n) => { delete document.body.dataset.frame;
			v.requestVideoFrameCallback(() => { const c = document.createElement("canvas"), x = c.getContext("2d"); c.width = v.videoWidth; c.height = v.videoHeight; x.drawImage(v, 0, 0);
				let at = 0; for (let i = 0; i < 12; i++) at = 2 * at + (x.getImageData(40 + 20 * i + 10, 166, 1, 1).data[0] > 128 ? 1 : 0);
				document.body.dataset.frame = at });
			v.currentTime = (n + 0.5) / 25 }`, clip))
	p.wait("document.body.dataset.loaded")
	require.InDelta(t, 9, value[float64](p, "Number(document.body.dataset.loaded)"), 0.001)
	for i := range 20 {
		n := (i*137 + 11) % 225
		p.script(fmt.Sprintf("frameAt(%d)", n))
		p.wait("document.body.dataset.frame")
		assert.Equal(t, strconv.Itoa(50+n), value[string](p, "document.body.dataset.frame"), "the frame that was asked for")
	}
}
