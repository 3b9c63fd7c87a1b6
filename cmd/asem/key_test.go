package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events/eventstest"
)

// A study whose keys are wrapped by a key management service is used like any other, by whoever reaches the service, and by nobody else.
func TestKeysUnderAKMS(t *testing.T) {
	dir, command := t.TempDir(), strings.Join(eventstest.KMS(t), " ")
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	s := storage{Data: data, KMS: command}
	observe(t, s)
	assert.Empty(t, grep(t, []string{"signer", "master"}, filepath.Join(data, "keys")))
	_, message, code := asem(t, "verify", "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "ASEM_MASTER_KEY_COMMAND")

	t.Setenv("ASEM_MASTER_KEY_COMMAND", command)
	must(t, "verify", "--data", data)
	must(t, "key", "rotate", "--data", data)
	must(t, "backup", backups, "--data", data)
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	must(t, "restore", files[0], "--data", filepath.Join(dir, "restored"), "--master-key-file", filepath.Join(data, "keys"))
	must(t, "key", "forget", "--data", data, "--backups", backups)
	assert.Contains(t, must(t, "key", "show", "--data", data), "current master key")
	assert.Empty(t, grep(t, []string{"signer", "master"}, filepath.Join(data, "keys")))

	t.Setenv("ASEM_MASTER_KEY_COMMAND", strings.Join(eventstest.KMS(t), " "))
	_, message, code = asem(t, "verify", "--data", data)
	assert.NotZero(t, code)
	assert.Contains(t, message, "unwrap failed")
}
