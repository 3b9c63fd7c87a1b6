package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/studyfile"
	"asem/domain"
	"asem/graphql"
)

var (
	formIn  = regexp.MustCompile(`href="(/me/f/[a-z2-7]+)"`)
	hiddens = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	radios  = regexp.MustCompile(`<input type="radio" name="([^"]+)" value="(-?\d+)"`)
)

// browserOf is a participant's browser without script, coming from an address of its own.
type browserOf struct {
	http.Client
	base, from string
}

func (b *browserOf) do(ctx context.Context, method, path string, form url.Values) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Forwarded-For", b.from)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := b.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// How long couples wait when 2,000 of them send their diaries in the same evening hour, on SQLite: 50 submissions a second, at the times at which they are
// meant to be sent, whether or not those before them were answered. Afterwards everything that was acknowledged is in the log.
//
//	ASEM_LOAD=60s go test -run TestEveningLoad -v -timeout 30m ./cmd/asem
func TestEveningLoad(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("ASEM_LOAD"))
	if err != nil {
		t.Skip("set ASEM_LOAD to how long to measure")
	}
	const couples, perSecond = 2000, 50
	ctx := t.Context()
	h, err := storage{Data: filepath.Join(t.TempDir(), "data")}.open(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	p, err := readPlan("quick", studyfile.Context{Code: "LOAD"})
	require.NoError(t, err)
	orders, err := planOrders(p, 1, domain.CreateStudy{Study: p.Code, Title: p.Title, Zone: p.Zone})
	require.NoError(t, err)
	_, err = h.publish(ctx, p, orders, false)
	require.NoError(t, err)

	now := time.Now()
	zone, err := time.LoadLocation(p.Zone)
	require.NoError(t, err)
	y, m, d := now.In(zone).Date()
	var people []access.Participant
	for begin := 0; begin < couples; begin += 100 {
		var batch []domain.Order
		for c := begin; c < begin+100; c++ {
			code := fmt.Sprintf("%04d", c)
			commands := []domain.Command{domain.EnrolCouple{Study: p.Code, Couple: code, EnrolledOn: domain.NewDate(y, m, d),
				Participants: []domain.NewParticipant{{Role: "A", Code: code + "A"}, {Role: "B", Code: code + "B"}}}}
			for _, r := range []domain.Role{"A", "B"} {
				commands = append(commands, domain.ConfirmPairing{Study: p.Code, Couple: code, Role: r})
				for _, f := range p.Protocol.Consents {
					commands = append(commands, domain.GiveConsent{Study: p.Code, Couple: code, Role: r, Scope: f.Scope, Version: f.Version, At: now})
				}
				people = append(people, access.Participant{Study: p.Code, Couple: code, Role: r})
			}
			for _, c := range commands {
				batch = append(batch, domain.Order{At: now, Command: c})
			}
		}
		_, err := h.exec.ExecuteAll(ctx, uuid.New(), batch)
		require.NoError(t, err)
	}
	require.NoError(t, h.catchUp(ctx))
	n := min(int(long.Seconds()*perSecond), len(people))

	serve, stop := context.WithCancel(ctx)
	out, done := &address{found: make(chan string, 1)}, make(chan error, 1)
	go func() {
		done <- h.serve(serve, streams{out, &bytes.Buffer{}}, serving{listen: "127.0.0.1:0", proxies: loopback, authenticate: func(*http.Request) (graphql.Viewer, error) { return graphql.Viewer{}, nil }})
	}()
	base := <-out.found
	pool := &http.Transport{MaxIdleConnsPerHost: 200}
	sendable := make([]func() (int, error), n)
	signed := time.Now()
	for i := range n {
		who := people[i*len(people)/n]
		address := fmt.Sprintf("p%d@example.org", i)
		require.NoError(t, h.access.SetEmail(ctx, who, address))
		links, err := h.access.LinksFor(ctx, address)
		require.NoError(t, err)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		b := &browserOf{http.Client{Jar: jar, Transport: pool}, base, fmt.Sprintf("10.%d.%d.1", i/250, i%250)}
		_, _, err = b.do(ctx, http.MethodPost, "/in/link", url.Values{"token": {links[0].Token}})
		require.NoError(t, err)
		_, today, err := b.do(ctx, http.MethodGet, "/me", nil)
		require.NoError(t, err)
		found := formIn.FindStringSubmatch(today)
		require.NotNil(t, found, today)
		_, page, err := b.do(ctx, http.MethodGet, found[1], nil)
		require.NoError(t, err)
		form := url.Values{}
		for _, f := range hiddens.FindAllStringSubmatch(page, -1) {
			form.Set(f[1], html.UnescapeString(f[2]))
		}
		for _, f := range radios.FindAllStringSubmatch(page, -1) {
			if !form.Has(f[1]) {
				form.Set(f[1], f[2])
			}
		}
		form.Set("private", "yes")
		sendable[i] = func() (int, error) {
			status, _, err := b.do(ctx, http.MethodPost, found[1], form)
			return status, err
		}
	}
	t.Logf("%d people signed in and opened their form in %s", n, time.Since(signed).Round(time.Second))

	before, err := h.log.Head(ctx)
	require.NoError(t, err)
	took, statuses := make([]time.Duration, n), make([]int, n)
	var sending sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / perSecond)
		time.Sleep(time.Until(due))
		sending.Go(func() {
			status, err := sendable[i]()
			if err == nil {
				statuses[i] = status
			}
			took[i] = time.Since(due)
		})
	}
	sending.Wait()
	t.Logf("%d submissions in %s", n, time.Since(begin).Round(time.Millisecond))
	stop()
	require.NoError(t, <-done)
	accepted := 0
	for _, s := range statuses {
		if s == http.StatusOK {
			accepted++
		}
	}
	assert.Equal(t, n, accepted)
	stored := 0
	list, err := h.log.Read(ctx, before, 10*n)
	require.NoError(t, err)
	for _, e := range list {
		if e.Type == "diary.submitted" || e.Type == "questionnaire.submitted" {
			stored++
		}
	}
	assert.Equal(t, accepted, stored, "what was acknowledged is in the log")
	slices.Sort(took)
	t.Logf("p50 %s, p95 %s, p99 %s, slowest %s", took[n/2], took[n*95/100], took[n*99/100], took[n-1])
}

// loopback is trusted as a proxy, so that a test can come from many addresses.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
