package web

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/boombuler/barcode/qr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The drawing has the squares of the code and no others.
func TestQRCode(t *testing.T) {
	const uri = "otpauth://totp/asem:ana?issuer=asem&secret=NRWT4F3BPBE63G5WMJR4XU5OUIPPB6XW"
	drawn, err := qrCode(uri)
	require.NoError(t, err)
	black := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h1v1h-1z`).FindAllStringSubmatch(string(drawn), -1) {
		x, _ := strconv.Atoi(m[1])
		y, _ := strconv.Atoi(m[2])
		black[[2]int{x - 4, y - 4}] = true
	}
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	require.NoError(t, err)
	for x := range code.Bounds().Dx() {
		for y := range code.Bounds().Dy() {
			r, _, _, _ := code.At(x, y).RGBA()
			assert.Equal(t, r == 0, black[[2]int{x, y}])
			delete(black, [2]int{x, y})
		}
	}
	assert.Empty(t, black)
}
