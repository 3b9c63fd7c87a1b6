package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/prompting"
	"asem/domain"
)

// mailbox is a mail server that takes its time and keeps what it is given.
type mailbox struct {
	address string
	slow    time.Duration // before it says that it took a letter

	mu  sync.Mutex
	got map[string][]string // letters by recipient
}

func newMailbox(t testing.TB, slow time.Duration) *mailbox {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mailbox{address: listener.Addr().String(), slow: slow, got: map[string][]string{}}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: m}, nil }))
	s.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return m
}

func (m *mailbox) count() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, list := range m.got {
		n += len(list)
	}
	return n
}

type mailSession struct {
	box *mailbox
	to  string
}

func (s *mailSession) Reset()                               {}
func (s *mailSession) Logout() error                        { return nil }
func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err // it broke off: there is no letter
	}
	s.box.mu.Lock()
	s.box.got[s.to] = append(s.box.got[s.to], string(data))
	s.box.mu.Unlock()
	time.Sleep(s.box.slow)
	return nil
}

// daytime finds a zone in which it is day now, and well before the end of the hour.
func daytime(t testing.TB, now time.Time) (zone string, local time.Time) {
	t.Helper()
	list := []string{"Asia/Kolkata", "America/St_Johns", "Australia/Adelaide"}
	for offset := -12; offset <= 12; offset++ {
		list = append(list, fmt.Sprintf("Etc/GMT%+d", offset))
	}
	for _, name := range list {
		z, err := time.LoadLocation(name)
		require.NoError(t, err)
		if at := now.In(z); at.Hour() >= 9 && at.Hour() < 21 && at.Minute() < 45 {
			return name, at
		}
	}
	t.Fatal("it is day nowhere")
	return "", now
}

// remindStudy stores a study in which everybody is to be reminded right now.
func remindStudy(t *testing.T, s storage, couples int) {
	t.Helper()
	in, ok := domain.LatestKey("asem-daily")
	require.True(t, ok)
	zone, local := daytime(t, time.Now())
	today := domain.NewDate(local.Date())
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		var orders []domain.Order
		add := func(list ...domain.Command) {
			for _, c := range list {
				orders = append(orders, domain.Order{By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, At: time.Now(), Command: c})
			}
		}
		add(domain.CreateStudy{Study: "S", Title: "canary-title", Zone: zone}, domain.RegisterInstrument{Study: "S", Instrument: in},
			domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation, Languages: []string{"de", "en"},
				Roles: []domain.RoleLabel{{Role: "A", Label: "a"}, {Role: "B", Label: "b"}}, Waves: []domain.Wave{{Index: 1, Label: "T1", ClosesDaysLate: 6, Instruments: []domain.InstrumentRef{in.Ref()}}},
				Reminders: []domain.Reminder{{Waves: true, Hour: local.Hour()}}}})
		for i := range couples {
			c := fmt.Sprint(i)
			add(domain.EnrolCouple{Study: "S", Couple: c, EnrolledOn: today, Participants: []domain.NewParticipant{{Role: "A", Code: c + "a"}, {Role: "B", Code: c + "b"}}})
			for _, r := range []domain.Role{"A", "B"} {
				add(domain.GiveConsent{Study: "S", Couple: c, Role: r, Scope: domain.ScopeQuestionnaires, Version: "1"}, domain.ChangeContact{Study: "S", Couple: c, Role: r, Email: strings.ToLower("canary-" + c + string(r) + "@example.org")})
			}
		}
		_, err := h.exec.ExecuteAll(t.Context(), uuid.New(), orders)
		return err
	}))
}

// However often the server is killed while it sends: nobody gets a reminder twice, everybody gets it or the ledger says that nobody knows, and no
// address stands in its log or its metrics.
func TestKilledServersRemindNobodyTwice(t *testing.T) {
	const couples = 40
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	remindStudy(t, s, couples)
	keeper := strings.TrimSpace(must(t, "token", "--operator", "--data", s.Data))
	box := newMailbox(t, 15*time.Millisecond)
	var logged bytes.Buffer
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", s.Data, "--smtp", "smtp://" + box.address + "?tls=none", "--mail-from", "Journal <journal@example.org>", "--prompts-per-minute", "100000"}
	start := func() (*exec.Cmd, *address) {
		out := &address{found: make(chan string, 1)}
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env, c.Stdout, c.Stderr = append(os.Environ(), "ASEM_TEST_SERVE="+strings.Join(args, "\n")), struct{ io.Writer }{out}, struct{ io.Writer }{&logged}
		require.NoError(t, c.Start())
		return c, out
	}
	kills := 0
	for ; kills < 5 && box.count() < 2*couples-20; kills++ {
		c, _ := start()
		before := box.count()
		for deadline := time.Now().Add(20 * time.Second); box.count() == before; time.Sleep(time.Millisecond) {
			require.True(t, time.Now().Before(deadline), "nothing is sent: %s", logged.String())
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		require.NoError(t, c.Process.Kill())
		_ = c.Wait() // says that it was killed
	}
	require.GreaterOrEqual(t, kills, 2)

	c, out := start()
	base := <-out.found
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { // until nobody is left to remind
		before := box.count()
		time.Sleep(500 * time.Millisecond)
		if code, _ := visit(t, http.MethodGet, base+"/healthz", ""); code == 200 && box.count() == before {
			break
		}
		require.True(t, time.Now().Before(deadline))
	}
	metrics := eventually(t, base+"/metrics", keeper, 200, `asem_prompts_settled_total{channel="email",outcome="accepted"}`)
	page := eventually(t, base+"/admin", keeper, 200, "couples are looked after")
	assert.Contains(t, eventually(t, base+"/readyz", "", 200, "reminders:"), "reminders: ready")
	require.NoError(t, c.Process.Signal(os.Interrupt))
	require.NoError(t, c.Wait())
	for _, text := range []string{metrics, page, logged.String()} {
		assert.NotContains(t, text, "@example.org")
		assert.NotContains(t, text, "canary")
	}

	for to, list := range box.got {
		assert.Len(t, list, 1, to)
		assert.NotContains(t, list[0], "canary-title")
	}
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		accepted, unknown := 0, 0
		for i := range couples {
			past, err := h.exec.Past(t.Context(), "S", fmt.Sprint(i))
			require.NoError(t, err)
			for _, who := range past.Couple.Participants {
				list := past.Couple.Prompts(who.Role)
				require.Len(t, list, 1)
				require.False(t, list[0].Sent.IsZero())
				require.Empty(t, list[0].Reason)
				if list[0].Accepted.IsZero() {
					unknown++
				} else {
					accepted++
					assert.Len(t, box.got[who.Email], 1)
				}
			}
		}
		t.Logf("%d kills: of %d reminders %d were accepted, of %d nobody knows; %d arrived", kills, 2*couples, accepted, unknown, box.count())
		assert.LessOrEqual(t, unknown, 8*kills, "at most those under way at a kill: in four conversations, or about to be recorded")
		return nil
	}))
}

func TestServersWithoutMailSaySo(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	remindStudy(t, s, 1)
	keeper := strings.TrimSpace(must(t, "token", "--operator", "--data", s.Data))
	base := serveOn(t, "--data", s.Data)
	assert.Contains(t, eventually(t, base+"/readyz", "", 200, "reminders:"), "nothing is sent")
	eventually(t, base+"/admin", keeper, 200, "Nothing is sent.")
}

// The link to sign in comes in the participant's own language, or in the study's.
func TestSignInMail(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	remindStudy(t, s, 1)
	box := newMailbox(t, 0)
	server, err := prompting.ParseMailServer("smtp://" + box.address + "?tls=none")
	require.NoError(t, err)
	mail, err := prompting.NewMail(server, prompting.Identities{Default: prompting.Identity{From: netmail.Address{Address: "journal@example.org"}}}, prompting.SystemClock{})
	require.NoError(t, err)
	defer mail.Close()
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		_, err := h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.ChooseLanguage{Study: "S", Couple: "0", Role: "B", Language: "en"}})
		require.NoError(t, err)
		for _, r := range []domain.Role{"A", "B"} {
			require.NoError(t, signInMail{mail, h.exec}.SendLink(context.Background(), access.Participant{Study: "S", Couple: "0", Role: r}, string(r)+"@example.org", "https://study.example/in/link/"+string(r)))
		}
		return nil
	}))
	assert.Contains(t, box.got["A@example.org"][0], "Subject: Ihr Link")
	assert.Contains(t, box.got["B@example.org"][0], "Subject: Your link")
	assert.Contains(t, box.got["B@example.org"][0], "https://study.example/in/link/B")
}

func TestFlagsOfReminders(t *testing.T) {
	identities := write(t, "identities.yaml", "DEMO:\n  name: The team\n  subject: {en: Hello}\nDEMO/north:\n  from: North <north@example.org>\n")
	t.Setenv("ASEM_SMTP_PASSWORD", "canary-env")
	good := promptingFlags{PerMinute: 60, SMTP: "smtp://me@mx.example.org", MailFrom: "Journal <journal@example.org>", MailIdentities: identities, Webhook: "https://example.org/hook",
		WebhookSecret: write(t, "secret", "0123456789abcdef\n")}
	r, err := good.reach()
	require.NoError(t, err)
	require.Len(t, r.channels, 2)
	assert.Equal(t, prompting.Identity{From: netmail.Address{Name: "Journal", Address: "journal@example.org"}, Name: "The team", Subject: map[string]string{"en": "Hello"}}, r.from.For("DEMO", "south"))
	assert.Equal(t, "north@example.org", r.from.For("DEMO", "north").From.Address)
	none, err := promptingFlags{PerMinute: 1}.reach()
	require.NoError(t, err)
	assert.Empty(t, none.channels)
	for want, change := range map[string]func(*promptingFlags){
		"mail needs a sender":               func(f *promptingFlags) { f.MailFrom = "" },
		"this is not an address":            func(f *promptingFlags) { f.MailFrom = "canary-name" },
		"is not a kind of mail server":      func(f *promptingFlags) { f.SMTP = "mx" },
		"expected at least 16":              func(f *promptingFlags) { f.WebhookSecret = write(t, "secret", "canary") },
		"the file with the secret":          func(f *promptingFlags) { f.WebhookSecret = "/nowhere" },
		"expected 1 or more":                func(f *promptingFlags) { f.PerMinute = 0 },
		"the file cannot be read":           func(f *promptingFlags) { f.MailIdentities = "/nowhere" },
		"unknown field":                     func(f *promptingFlags) { f.MailIdentities = write(t, "i.yaml", "DEMO: {colour: red}\n") },
		"expected the code of a study":      func(f *promptingFlags) { f.MailIdentities = write(t, "i.yaml", "\"a b\": {name: x}\n") },
		"DEMO: from is not an address":      func(f *promptingFlags) { f.MailIdentities = write(t, "i.yaml", "DEMO: {from: x}\n") },
		"is empty or has several lines":     func(f *promptingFlags) { f.MailIdentities = write(t, "i.yaml", "DEMO: {subject: {en: \"\"}}\n") },
		"this is not the address of a serv": func(f *promptingFlags) { f.Webhook = "http://example.org" },
	} {
		bad := good
		change(&bad)
		_, err := bad.reach()
		require.ErrorContains(t, err, want)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		assert.NotContains(t, err.Error(), "canary")
	}
}
