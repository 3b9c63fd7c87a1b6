package eventstest

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kmsKey names the file of the key of the service that [ServeKMS] stands for.
const kmsKey = "ASEM_TEST_KMS="

// KMS returns the command of a key management service with a key of its own: this test binary, whose TestMain must call [ServeKMS].
func KMS(t testing.TB) []string {
	path := filepath.Join(t.TempDir(), "kms-key")
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{os.Args[0], kmsKey + path}
}

// ServeKMS answers once as the service and ends the process, if it was started as that. Otherwise it does nothing.
func ServeKMS() {
	if len(os.Args) != 3 || !strings.HasPrefix(os.Args[1], kmsKey) {
		return
	}
	answer, err := serveKMS(strings.TrimPrefix(os.Args[1], kmsKey), os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(base64.StdEncoding.EncodeToString(answer))
	os.Exit(0)
}

func serveKMS(path, what string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return nil, err
	}
	in, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil {
		return nil, err
	}
	if what == "wrap" {
		return aead.Seal(nil, nil, in, nil), nil
	}
	return aead.Open(nil, nil, in, nil)
}
