package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events/feed"
)

// What goes out to other systems is sealed: an erasure reaches it.
func TestServePublishesSealedEvents(t *testing.T) {
	dir := t.TempDir()
	s := storage{Data: filepath.Join(dir, "data")}
	observe(t, s)
	other, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: filepath.Join(dir, "nats"), NoSigs: true})
	require.NoError(t, err)
	go other.Start()
	defer other.Shutdown()
	require.True(t, other.ReadyForConnections(10*time.Second))
	_, message, code := asem(t, "serve", "--data", s.Data, "--nats", "nats://127.0.0.1:1")
	assert.Equal(t, 1, code)
	assert.Contains(t, message, "cannot be published to NATS")
	serveOn(t, "--data", s.Data, "--nats", other.ClientURL())

	conn, err := nats.Connect(other.ClientURL())
	require.NoError(t, err)
	defer conn.Close()
	js, err := conn.JetStream()
	require.NoError(t, err)
	var sub *nats.Subscription
	require.Eventually(t, func() bool { sub, err = js.SubscribeSync("asem.events.S.>"); return err == nil }, 10*time.Second, 50*time.Millisecond)
	sealed := 0
	for range 12 {
		m, err := sub.NextMsg(10 * time.Second)
		require.NoError(t, err)
		if m.Header.Get(feed.KeySealed) == "true" {
			sealed++
		}
		for _, text := range canaries {
			assert.NotContains(t, string(m.Data), text)
			for _, values := range m.Header {
				assert.NotContains(t, values, text)
			}
		}
	}
	assert.Equal(t, 10, sealed, "all but the study and its protocol")
}

func TestPasswordOfNATS(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, "simulate", "--data", data, "--couples", "4", "--separations", "0", "--study", "X")
	for _, url := range []string{"nats://me:hunter2@127.0.0.1:42x", "nats://me:hunter2@127.0.0.1:1", "nats://me:hunter2%zz@127.0.0.1:1"} {
		_, err := feed.ConnectNATS(url, "S", "s")
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
		_, message, _ := asem(t, "serve", "--data", data, "--listen", "127.0.0.1:0", "--nats", url)
		assert.NotContains(t, message, "hunter2")
	}
}
