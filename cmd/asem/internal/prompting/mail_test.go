package prompting

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// postOffice is a mail server that takes mail, refuses it or hangs up, as it is told.
type postOffice struct {
	host string
	port int
	cert *x509.CertPool

	mu       sync.Mutex
	got      []delivery
	conns    int
	trouble  func(stage, to string) error // nil: none. errHangUp ends the connection
	user     string                       // who signed in last
	encoding bool                         // the last session was encrypted
}

type delivery struct {
	from, to string
	data     []byte
}

var errHangUp = errors.New("hang up")

// officeOptions are what a mail server asks for.
type officeOptions struct{ tls, implicit, auth bool }

func newPostOffice(t testing.TB, o officeOptions) *postOffice {
	t.Helper()
	p := &postOffice{}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		p.mu.Lock()
		p.conns++
		p.mu.Unlock()
		session := &officeSession{office: p, conn: c}
		if o.auth {
			return signedIn{session}, session.meets("connect")
		}
		return session, session.meets("connect")
	}))
	s.Domain, s.AllowInsecureAuth, s.ErrorLog = "mx.example.org", false, slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	var err error
	var listener net.Listener
	if o.tls || o.implicit {
		s.TLSConfig, p.cert = certificate(t)
	}
	if o.implicit {
		listener, err = tls.Listen("tcp", "127.0.0.1:0", s.TLSConfig)
	} else {
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	}
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	p.host = host
	p.port, err = strconv.Atoi(port)
	require.NoError(t, err)
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return p
}

// server tells how to reach the office.
func (p *postOffice) server(policy TLSPolicy) MailServer {
	s := MailServer{Host: p.host, Port: p.port, TLS: policy, Timeout: 5 * time.Second}
	if p.cert != nil {
		s.Config = &tls.Config{ServerName: "127.0.0.1", RootCAs: p.cert, MinVersion: tls.VersionTLS12}
	}
	return s
}

func (p *postOffice) deliveries() []delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]delivery(nil), p.got...)
}

func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, pool
}

type officeSession struct {
	office   *postOffice
	conn     *smtp.Conn
	from, to string
}

func (s *officeSession) meets(stage string) error {
	s.office.mu.Lock()
	trouble := s.office.trouble
	_, s.office.encoding = s.conn.TLSConnectionState()
	s.office.mu.Unlock()
	if trouble == nil {
		return nil
	}
	err := trouble(stage, s.to)
	if errors.Is(err, errHangUp) {
		_ = s.conn.Conn().Close()
	}
	return err
}

func (s *officeSession) Reset()        {}
func (s *officeSession) Logout() error { return nil }

func (s *officeSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.meets("mail")
}

func (s *officeSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.meets("rcpt")
}

func (s *officeSession) Data(r io.Reader) error {
	if err := s.meets("data"); err != nil { // after 354, before anything was read
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	err = s.meets("answer") // after the dot
	if err == nil || errors.Is(err, errHangUp) {
		s.office.mu.Lock()
		s.office.got = append(s.office.got, delivery{s.from, s.to, data})
		s.office.mu.Unlock()
	}
	return err
}

// signedIn is a session of a server that wants to know who is there.
type signedIn struct{ *officeSession }

func (s signedIn) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s signedIn) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "canary-password" {
			return smtp.ErrAuthFailed
		}
		s.office.mu.Lock()
		defer s.office.mu.Unlock()
		s.office.user = user
		return nil
	}), nil
}

func newMail(t testing.TB, s MailServer, clock Clock) *Mail {
	t.Helper()
	m, err := NewMail(s, Identities{Default: Identity{From: sender, Name: "The Journal team"}}, clock)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// parts takes a message apart: its headers, and its text and HTML as they were before they were encoded.
func parts(t testing.TB, data []byte) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	bodies := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, bodies
		}
		require.NoError(t, err)
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "UTF-8", strings.ToUpper(params["charset"]))
		require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		require.NoError(t, err)
		bodies[kind] = string(body)
	}
}

func header(t testing.TB, h mail.Header, name string) string {
	t.Helper()
	s, err := (&mime.WordDecoder{}).DecodeHeader(h.Get(name))
	require.NoError(t, err)
	return s
}

// Letters are what they should be when they come out at the other end.
func TestLettersBySMTP(t *testing.T) {
	clock := &handClock{now: time.Date(2026, time.May, 5, 18, 30, 0, 0, time.UTC)}
	office := newPostOffice(t, officeOptions{tls: true, auth: true})
	server := office.server(TLSMandatory)
	server.User, server.Password = "asem", "canary-password"
	m := newMail(t, server, clock)
	l := newLab(t)
	l.clock.set(time.Date(2026, time.May, 4, 8, 0, 0, 0, time.UTC))
	l.study(t, "S", twoWaves(domain.Reminder{Diary: "d", AfterHours: 1}))
	l.couple(t, "S", "1", domain.NewDate(2026, time.May, 4), "Europe/Berlin", "Asia/Jerusalem")
	l.do(t, domain.ChooseLanguage{Study: "S", Couple: "1", Role: "A", Language: "de"}, domain.ChooseLanguage{Study: "S", Couple: "1", Role: "B", Language: "he"})
	s := l.scheduler(m)
	s.From = m.from
	_, err := s.Checkpoint(t.Context())
	require.NoError(t, err)
	settleDown(t, s)
	require.Zero(t, l.count(t, "prompt.scheduled"), "that is more than a day away")
	l.clock.set(time.Date(2026, time.May, 4, 20, 0, 0, 0, time.UTC))
	settleDown(t, s)
	require.Equal(t, 2, l.count(t, "prompt.scheduled"))
	require.Empty(t, office.deliveries())
	for _, hour := range []int{16, 17} { // 19:00 in Jerusalem, then in Berlin
		l.clock.set(time.Date(2026, time.May, 5, hour, 0, 0, 0, time.UTC))
		settleDown(t, s)
	}

	got := office.deliveries()
	require.Len(t, got, 2)
	assert.True(t, office.encoding)
	assert.Equal(t, "asem", office.user)
	for _, d := range got {
		assert.Equal(t, sender.Address, d.from)
		h, body := parts(t, d.data)
		assert.Equal(t, sender.String(), h.Get("From"))
		assert.Equal(t, "<"+d.to+">", h.Get("To"))
		assert.Equal(t, "auto-generated", h.Get("Auto-Submitted"))
		assert.Equal(t, "<mailto:journal@example.org?subject=unsubscribe>", h.Get("List-Unsubscribe"))
		assert.Regexp(t, `^<[0-9a-f-]{36}@example\.org>$`, h.Get("Message-ID"))
		for name := range h {
			assert.Contains(t, []string{"From", "To", "Auto-Submitted", "List-Unsubscribe", "Message-Id", "Date", "Subject", "Content-Language", "Content-Type", "Mime-Version"}, name, "no header more than needed")
		}
		date, err := h.Date()
		require.NoError(t, err)
		assert.Contains(t, []int{16, 17}, date.UTC().Hour())
		for _, b := range body {
			assert.Contains(t, b, "https://journal.example.org")
			assert.Contains(t, b, "The Journal team")
			assert.NotContains(t, b, "Canary study")
			assert.NotContains(t, strings.ToLower(b), "canary-s-1", "no address, and no code")
		}
		switch d.to {
		case address("S", "1", "A"):
			assert.Equal(t, "Ihr Journal", header(t, h, "Subject"))
			assert.Equal(t, "de", h.Get("Content-Language"))
			assert.Contains(t, body["text/plain"], "bis Mittwoch, 6. Mai, 3:00 Uhr offen")
			assert.Contains(t, h.Get("Date"), "19:00:00 +0200")
		case address("S", "1", "B"):
			assert.Equal(t, "היומן שלך", header(t, h, "Subject"))
			assert.Contains(t, body["text/html"], `<html lang="he" dir="rtl">`)
			assert.Contains(t, body["text/plain"], "יום רביעי, 6 במאי, בשעה 3:00")
		}
	}
	// B's hour comes an hour before A's.
	assert.Equal(t, address("S", "1", "B"), got[0].to)
	assert.Equal(t, 2, l.count(t, "prompt.accepted"))
}

func TestMailServersAreParsed(t *testing.T) {
	for address, want := range map[string]MailServer{
		"smtp://mx.example.org":                             {Host: "mx.example.org", Port: 587, TLS: TLSMandatory},
		"smtp://me%40x@mx.example.org:2525?tls=none":        {Host: "mx.example.org", Port: 2525, TLS: TLSNone, User: "me@x"},
		"smtps://me@mx.example.org":                         {Host: "mx.example.org", Port: 465, TLS: TLSImplicit, User: "me"},
		"smtp://mx?tls=opportunistic&hello=lab.example.org": {Host: "mx", Port: 587, TLS: TLSOpportunistic, Hello: "lab.example.org"},
		"smtp://[::1]:25?tls=none":                          {Host: "::1", Port: 25, TLS: TLSNone},
	} {
		got, err := ParseMailServer(address)
		require.NoError(t, err, address)
		assert.Equal(t, want, got, address)
	}
	for address, want := range map[string]string{
		"mx.example.org":            "is not a kind of mail server",
		"smtp://me:canary-pw@mx":    "the password does not belong in the address",
		"smtp://mx:0":               "expected 1 to 65535",
		"smtp://mx:canary-pw":       "cannot be parsed",
		"smtp://mx?tls=maybe":       "is not a TLS policy",
		"smtp://mx?tls=implicit":    "does not go with",
		"smtps://mx?tls=none":       "does not go with",
		"smtp://mx?colour=red":      "there is no setting",
		"smtp://":                   "expected smtp://USER@HOST:PORT",
		"smtp://mx/path":            "without a path",
		"http://mx":                 "is not a kind of mail server",
		"smtp://me:canary-pw@mx:%x": "cannot be parsed",
	} {
		_, err := ParseMailServer(address)
		require.ErrorContains(t, err, want, address)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		assert.NotContains(t, err.Error(), "canary-pw")
	}
}

func FuzzParseMailServer(f *testing.F) {
	for _, s := range []string{"smtp://me@mx:25?tls=none", "smtps://mx", "smtp://me:pw@mx", "smtp://[::1]:25", "%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		s, err := ParseMailServer(address)
		if err != nil {
			require.Equal(t, domain.Invalid, domain.CodeOf(err))
			return
		}
		require.NotEmpty(t, s.Host)
		require.True(t, s.Port >= 1 && s.Port <= 65535)
		require.Empty(t, s.Password)
	})
}

// What a server may offer or lack, and what comes of it.
func TestTLSAndSigningIn(t *testing.T) {
	clock := &handClock{now: time.Now()}
	plain, starttls, implicit := newPostOffice(t, officeOptions{}), newPostOffice(t, officeOptions{tls: true, auth: true}), newPostOffice(t, officeOptions{implicit: true, auth: true})
	for _, c := range []struct {
		name      string
		office    *postOffice
		policy    TLSPolicy
		password  string // empty: nobody signs in
		encrypted bool
		fails     bool
	}{
		{"STARTTLS", starttls, TLSMandatory, "canary-password", true, false},
		{"STARTTLS if there is", starttls, TLSOpportunistic, "canary-password", true, false},
		{"implicit TLS", implicit, TLSImplicit, "canary-password", true, false},
		{"no TLS on request", plain, TLSNone, "", false, false},
		{"opportunistic without", plain, TLSOpportunistic, "", false, false},
		{"mandatory, and there is none", plain, TLSMandatory, "", false, true},
		{"wrong password", starttls, TLSMandatory, "canary-wrong", true, true},
		{"password to a server without TLS", starttls, TLSNone, "canary-password", false, true},
		{"signing in where nobody can", plain, TLSNone, "canary-password", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := c.office.server(c.policy)
			if c.password != "" {
				server.User, server.Password = "asem", c.password
			}
			before := len(c.office.deliveries())
			err := newMail(t, server, clock).SendSignIn(t.Context(), "canary@example.org", "de", "https://journal.example.org/in/canary-link")
			if c.fails {
				require.Error(t, err)
				assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
				assert.NotContains(t, err.Error(), "canary")
				assert.Len(t, c.office.deliveries(), before)
				return
			}
			require.NoError(t, err)
			got := c.office.deliveries()
			require.Len(t, got, before+1)
			assert.Equal(t, c.encrypted, c.office.encoding)
		})
	}
	t.Run("a certificate of somebody else", func(t *testing.T) {
		server := starttls.server(TLSMandatory)
		server.Config = nil
		require.Error(t, newMail(t, server, clock).SendSignIn(t.Context(), "canary@example.org", "de", "https://journal.example.org"))
	})
	t.Run("nobody there", func(t *testing.T) {
		server := starttls.server(TLSMandatory)
		server.Port = 1
		assert.Equal(t, domain.Unavailable, domain.CodeOf(newMail(t, server, clock).SendSignIn(t.Context(), "canary@example.org", "de", "https://journal.example.org")))
	})
}

func TestLettersOutsideTheLedger(t *testing.T) {
	office := newPostOffice(t, officeOptions{})
	m := newMail(t, office.server(TLSNone), &handClock{now: time.Now()})
	require.NoError(t, m.SendSignIn(t.Context(), "a@example.org", "en", "https://j.example.org/in/1"))
	require.NoError(t, m.SendInvitation(t.Context(), "b@example.org", "he", "https://j.example.org/join/2"))
	got := office.deliveries()
	require.Len(t, got, 2)
	h, body := parts(t, got[0].data)
	assert.Equal(t, "Your link", h.Get("Subject"))
	assert.Empty(t, h.Get("List-Unsubscribe"), "it was asked for")
	assert.Contains(t, body["text/plain"], "within the next 15 minutes")
	assert.Contains(t, body["text/plain"], "\nhttps://j.example.org/in/1\r\n")
	h, body = parts(t, got[1].data)
	assert.NotEmpty(t, h.Get("List-Unsubscribe"))
	assert.Equal(t, "ההזמנה שלך", header(t, h, "Subject"))
	assert.Contains(t, body["text/html"], `href="https://j.example.org/join/2"`)
	assert.Equal(t, 1, office.conns, "a connection serves several letters")

	office.trouble = func(stage, _ string) error {
		if stage == "rcpt" {
			return &smtp.SMTPError{Code: 550, Message: "<canary@example.org> is unknown"}
		}
		return nil
	}
	err := m.SendSignIn(t.Context(), "canary@example.org", "en", "https://j.example.org/in/canary")
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
	assert.NotContains(t, err.Error(), "canary")
	assert.NotContains(t, errors.Unwrap(err).Error(), "canary")
}

// Wherever a conversation fails, once or for good, a letter arrives once if the server could be asked again without doubt, and otherwise
// at most once.
func TestALetterArrivesAtMostOnceWhereverItFails(t *testing.T) {
	temporary, forGood := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later, <canary>"}, &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "never, <canary>"}
	const once, always = 1, 1 << 30
	for _, c := range []struct {
		name    string
		stage   string
		err     error
		times   int
		arrives int
		reason  string // in the ledger; empty: accepted
	}{
		{"hangs up on connecting", "connect", errHangUp, once, 1, ""},
		{"hangs up at the sender", "mail", errHangUp, once, 1, ""},
		{"hangs up at the recipient", "rcpt", errHangUp, once, 1, ""},
		{"hangs up before the letter", "data", errHangUp, once, 0, domain.PromptUncertain},
		{"hangs up after the dot", "answer", errHangUp, once, 1, domain.PromptUncertain},
		{"not now at the sender", "mail", temporary, once, 1, ""},
		{"not now at the recipient", "rcpt", temporary, once, 1, ""},
		{"not now after the dot", "answer", temporary, once, 1, ""},
		{"never now", "rcpt", temporary, always, 0, domain.PromptUnreached},
		{"never now after the dot", "answer", temporary, always, 0, domain.PromptUnreached},
		{"always hangs up at the recipient", "rcpt", errHangUp, always, 0, domain.PromptUnreached},
		{"refuses the sender", "mail", forGood, always, 0, domain.PromptRefused},
		{"refuses the recipient", "rcpt", forGood, always, 0, domain.PromptRefused},
		{"refuses the letter", "answer", forGood, always, 0, domain.PromptRefused},
		{"is never there", "connect", errHangUp, always, 0, domain.PromptUnreached},
	} {
		t.Run(c.name, func(t *testing.T) {
			office := newPostOffice(t, officeOptions{})
			l := newLab(t)
			l.clock.set(time.Date(2026, time.May, 4, 8, 0, 0, 0, time.UTC))
			l.study(t, "S", twoWaves(domain.Reminder{Waves: true, AfterDays: 1, Hour: 12}))
			l.couple(t, "S", "1", domain.NewDate(2026, time.May, 4), "Etc/UTC", "Etc/UTC")
			l.do(t, domain.ChangeContact{Study: "S", Couple: "1", Role: "B"})
			var failures atomic.Int64 // each conversation is a goroutine of the server's
			office.trouble = func(stage, _ string) error {
				if stage == c.stage && failures.Add(1) <= int64(c.times) {
					return c.err
				}
				return nil
			}
			note := &notebook{}
			s := l.scheduler(newMail(t, office.server(TLSNone), l.clock))
			s.Logger = slog.New(slog.NewJSONHandler(note, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := s.Checkpoint(t.Context())
			require.NoError(t, err)
			settleDown(t, s)
			l.clock.set(time.Date(2026, time.May, 5, 12, 0, 0, 0, time.UTC))
			l.clock.hurry = true
			settleDown(t, s)
			l.clock.hurry = false
			for range 30 { // and so on, for days
				l.clock.add(4 * time.Minute)
				settleDown(t, s)
			}
			l.clock.set(time.Date(2026, time.May, 8, 12, 0, 0, 0, time.UTC))
			settleDown(t, s)

			assert.Len(t, office.deliveries(), c.arrives)
			ledger := l.past(t, "S", "1").Couple.Prompts("A")
			require.Len(t, ledger, 1)
			assert.Equal(t, c.reason, ledger[0].Reason)
			assert.Equal(t, c.reason == "", !ledger[0].Accepted.IsZero())
			assert.Positive(t, failures.Load())
			assert.NotContains(t, strings.ToLower(note.String()), "canary", "no address, and nothing of what the server said")
		})
	}
}

var _ Linker = links(nil)

// links are links that can be told from each other.
type links func(Participant, string) (string, error)

func (f links) Link(_ context.Context, to Participant, prompt string, _ time.Time) (string, error) {
	return f(to, prompt)
}
