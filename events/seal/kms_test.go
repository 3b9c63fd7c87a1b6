package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events/eventstest"
	"asem/events/seal"
)

func TestMain(m *testing.M) {
	eventstest.ServeKMS() // where this is the program that a test runs
	os.Exit(m.Run())
}

func TestAKeyFileUnderAKMS(t *testing.T) {
	kms := seal.Program{Command: eventstest.KMS(t)}
	path := filepath.Join(t.TempDir(), "keys")
	made, err := seal.NewFile(path, "the-signer", kms)
	require.NoError(t, err)
	readable := func() bool {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return bytes.Contains(text, []byte("the-signer")) || bytes.Contains(text, []byte("master"))
	}
	assert.False(t, readable(), "the file alone opens nothing")
	_, err = seal.OpenFile(path, nil)
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
	assert.ErrorContains(t, err, "ASEM_MASTER_KEY_COMMAND")
	again, err := seal.OpenFile(path, kms)
	require.NoError(t, err)
	assert.Equal(t, made.Current(), again.Current())
	assert.Equal(t, "the-signer", again.Signer())
	name, wrapped, err := made.Wrap(t.Context(), []byte("a key"), "S/1/A")
	require.NoError(t, err)
	require.NoError(t, again.Renew())
	assert.False(t, readable())
	key, err := again.Unwrap(t.Context(), name, wrapped, "S/1/A")
	require.NoError(t, err)
	assert.Equal(t, "a key", string(key))
	assert.Equal(t, again.Current(), made.Current(), "who has the file open sees that it was changed")

	_, err = seal.OpenFile(path, seal.Program{Command: eventstest.KMS(t)})
	assert.Equal(t, domain.Unavailable, domain.CodeOf(err), "another service")
	assert.ErrorContains(t, err, "message authentication failed", "what the program said")
}

func TestAKeyFileInTheClearIsWrappedWhenItIsRotated(t *testing.T) {
	kms := seal.Program{Command: eventstest.KMS(t)}
	path := filepath.Join(t.TempDir(), "keys")
	plain, err := seal.NewFile(path, "the-signer", nil)
	require.NoError(t, err)
	f, err := seal.OpenFile(path, kms)
	require.NoError(t, err)
	assert.Equal(t, plain.Current(), f.Current())
	require.NoError(t, f.Renew())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "the-signer")
	_, err = seal.OpenFile(path, kms)
	require.NoError(t, err)
}

// forgetful is a service that loses what it is given.
type forgetful struct{}

func (forgetful) Wrap(context.Context, []byte) ([]byte, error)   { return []byte("x"), nil }
func (forgetful) Unwrap(context.Context, []byte) ([]byte, error) { return nil, errors.New("gone") }

func TestAKMSThatFailsCostsNoKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	_, err := seal.NewFile(path, "the-signer", forgetful{})
	require.ErrorContains(t, err, "nothing was written")
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = seal.NewFile(path, "the-signer", nil)
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := seal.OpenFile(path, forgetful{})
	require.NoError(t, err)
	current := f.Current()
	require.Error(t, f.Renew())
	assert.Equal(t, current, f.Current())
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	script := func(text string) []string {
		file := filepath.Join(t.TempDir(), "kms")
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700))
		return []string{file}
	}
	for want, command := range map[string][]string{
		"no such file": {"/nowhere/kms"}, "no program is named": nil, "did not answer in base64": script("echo '?'"), "exit status 3: no route to the service": script("echo no route to the service >&2; exit 3"),
		"did not answer": script("exit 0"),
	} {
		_, err := seal.Program{Command: command}.Wrap(t.Context(), []byte("secret"))
		assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, fmt.Sprint(err), "secret")
	}
	_, err = seal.Program{Command: script("cat")}.Wrap(t.Context(), bytes.Repeat([]byte{7}, 1<<20))
	require.NoError(t, err, "longer than a pipe is deep")
}
