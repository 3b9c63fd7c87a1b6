package access

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"

	"asem/domain"
)

// Code is the printed code of a participant: eight random characters and a check character. It holds no dashes; see [Code.String].
type Code string

// alphabet has no two characters that look alike in print or handwriting. Their number is prime, which the check needs.
const alphabet = "2346789ACDEFHJKMNPRTWXY"

const codeLength = 9

// NewCode makes a code at random.
func NewCode() Code {
	b := make([]byte, codeLength-1)
	for i := range b {
		b[i] = alphabet[random(len(alphabet))]
	}
	return Code(append(b, check(string(b))))
}

// check is the character that makes the weighted sum of a code 0 modulo the size of the alphabet. A prime size and weights that all differ make any wrong
// character and any two that were swapped show.
func check(s string) byte {
	sum := 0
	for i := range len(s) {
		sum += (i + 2) * strings.IndexByte(alphabet, s[i])
	}
	n := len(alphabet)
	return alphabet[(n-sum%n)%n] // its own weight is 1
}

// ParseCode reads a code as people type it: in either case, with spaces or dashes anywhere. The error tells what is mistyped, which anybody may know.
func ParseCode(text string) (Code, error) {
	bad := func(format string, args ...any) error {
		return &domain.Error{Code: domain.Invalid, Path: "code", Message: fmt.Sprintf(format, args...)}
	}
	if len(text) > 100 {
		return "", bad("the code is too long; expected %d characters", codeLength)
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune(" \t\r\n-.\u00a0\u2010\u2011\u2012\u2013\u2014\u200e\u200f", r): // as people and mail programs put between
		case r < 128 && strings.IndexByte(alphabet, upper(byte(r))) >= 0:
			b.WriteByte(upper(byte(r)))
		default:
			return "", bad("the code has no character %q; expected %d of %s", r, codeLength, alphabet)
		}
	}
	s := b.String()
	if len(s) != codeLength {
		return "", bad("the code has %d characters; expected %d", len(s), codeLength)
	}
	if check(s[:codeLength-1]) != s[codeLength-1] {
		return "", bad("the code is mistyped: a character is wrong or two are swapped")
	}
	return Code(s), nil
}

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// String writes the code as it is printed: XXX-XXX-XXX.
func (c Code) String() string {
	if len(c) != codeLength {
		return string(c)
	}
	return string(c[:3] + "-" + c[3:6] + "-" + c[6:])
}

// newPIN makes six digits at random.
func newPIN() string {
	b := make([]byte, 6)
	for i := range b {
		b[i] = byte('0' + random(10))
	}
	return string(b)
}

// random returns a number below n, each as likely.
func random(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // the system's source never fails
	}
	return int(i.Int64())
}
