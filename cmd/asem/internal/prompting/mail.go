package prompting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"asem/cmd/asem/internal/prompting/texts"
	"asem/domain"
)

// MailServer is where mail is handed in.
type MailServer struct {
	Host     string
	Port     int
	TLS      TLSPolicy
	User     string // empty: nobody signs in
	Password string
	Hello    string        // name of this machine in the conversation; empty: the domain of the sender
	Timeout  time.Duration // of each conversation; 0 means a minute
	Config   *tls.Config   // nil: the system's certificates, TLS 1.2 or newer
}

// TLSPolicy says how a conversation is kept from others.
type TLSPolicy string

// The policies. With TLSNone addresses and links go over the network for everybody to read.
const (
	TLSMandatory     TLSPolicy = "mandatory"     // STARTTLS, or nothing is sent
	TLSOpportunistic TLSPolicy = "opportunistic" // STARTTLS where the server knows it
	TLSNone          TLSPolicy = "none"
	TLSImplicit      TLSPolicy = "implicit" // from the first byte
)

// ParseMailServer reads smtp://USER@HOST:PORT?tls=POLICY or smtps://USER@HOST:PORT. Without a port it is 587 or 465; without a policy, mandatory.
func ParseMailServer(address string) (MailServer, error) {
	bad := func(format string, args ...any) (MailServer, error) {
		return MailServer{}, &domain.Error{Code: domain.Invalid, Path: "smtp", Message: fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(address)
	if err != nil { // the error repeats the address
		return bad("the address cannot be parsed; expected smtp://USER@HOST:PORT or smtps://USER@HOST:PORT, with special characters as %%XX")
	}
	s := MailServer{Host: u.Hostname(), Port: 587, TLS: TLSMandatory, User: u.User.Username()}
	switch u.Scheme {
	case "smtp":
	case "smtps":
		s.Port, s.TLS = 465, TLSImplicit
	default:
		return bad("%q is not a kind of mail server; expected smtp or smtps", u.Scheme)
	}
	if _, has := u.User.Password(); has {
		return bad("the password does not belong in the address, where others on this machine can read it; set it in the environment or a file")
	}
	if s.Host == "" || u.Path != "" && u.Path != "/" {
		return bad("expected smtp://USER@HOST:PORT, without a path")
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return bad("port %s; expected 1 to 65535", p)
		}
	}
	for key, values := range u.Query() {
		switch v := values[len(values)-1]; key {
		case "tls":
			s.TLS = TLSPolicy(v)
			if known := []TLSPolicy{TLSMandatory, TLSOpportunistic, TLSNone}; s.TLS != TLSImplicit && !slices.Contains(known, s.TLS) {
				return bad("%q is not a TLS policy; expected one of %v", v, known)
			}
			if (u.Scheme == "smtps") != (s.TLS == TLSImplicit) {
				return bad("%s does not go with tls=%s", u.Scheme, v)
			}
		case "hello":
			s.Hello = v
		default:
			return bad("there is no setting %q; expected tls or hello", key)
		}
	}
	return s, nil
}

// Mail sends letters by SMTP. A connection serves several letters in a row.
type Mail struct {
	server MailServer
	from   Identities
	now    func() time.Time

	mu   sync.Mutex
	idle []*mailSession
}

var _ Channel = (*Mail)(nil)

// NewMail returns a channel to a mail server. Letters that are not about anybody's study, such as those to sign in, are from the default identity.
func NewMail(server MailServer, from Identities, clock Clock) (*Mail, error) {
	if server.Hello == "" {
		_, server.Hello, _ = strings.Cut(from.Default.From.Address, "@")
	}
	if server.Timeout == 0 {
		server.Timeout = time.Minute
	}
	if server.Config == nil {
		server.Config = &tls.Config{ServerName: server.Host, MinVersion: tls.VersionTLS12}
	}
	m := &Mail{server: server, from: from, now: clock.Now}
	if _, err := m.client(); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: "smtp", Message: "the settings of the mail server are not right", Err: err}
	}
	return m, nil
}

func (m *Mail) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithPort(m.server.Port), gomail.WithTimeout(m.server.Timeout), gomail.WithTLSConfig(m.server.Config), gomail.WithHELO(m.server.Hello)}
	switch m.server.TLS {
	case TLSImplicit:
		options = append(options, gomail.WithSSL())
	case TLSOpportunistic:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case TLSNone:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.server.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.server.User), gomail.WithPassword(m.server.Password))
	}
	return gomail.NewClient(m.server.Host, options...)
}

// Name implements [Channel].
func (m *Mail) Name() string { return "email" }

// Reaches implements [Channel].
func (m *Mail) Reaches(r Recipient) bool { return r.Email != "" }

// idleFor is how long a connection is kept for the next letter. Servers end those that are silent for longer than some minutes.
const idleFor = 20 * time.Second

// Open implements [Channel].
func (m *Mail) Open(ctx context.Context) (Session, error) {
	for {
		s := m.rested()
		if s == nil {
			break
		}
		if s.conn.UpdateDeadline(m.server.Timeout) == nil && s.conn.Noop() == nil {
			return s, nil
		}
		_ = s.conn.Close() // it is broken already
	}
	client, err := m.client()
	if err != nil {
		return nil, err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, errors.New("the mail server cannot be reached, or does not let this program in") // what it says may repeat names
	}
	return &mailSession{mail: m, client: client, conn: conn}, nil
}

// rested takes an open connection out of those that are idle, and closes those that were so for too long.
func (m *Mail) rested() *mailSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := len(m.idle); n > 0; n = len(m.idle) {
		s := m.idle[n-1]
		m.idle = m.idle[:n-1]
		if time.Since(s.since) < idleFor {
			return s
		}
		_ = s.conn.Close() // the server has very likely done so before
	}
	return nil
}

// Close ends all connections that are idle.
func (m *Mail) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.idle {
		_ = s.conn.Quit() // out of politeness
	}
	m.idle = nil
}

type mailSession struct {
	mail   *Mail
	client *gomail.Client
	conn   *smtp.Client
	since  time.Time // idle
	broken bool
}

// Close implements [Session].
func (s *mailSession) Close() {
	if s.broken {
		// No QUIT: after a message that broke off it would end the message, and a server might take what there is of it.
		_ = s.conn.Close()
		return
	}
	s.mail.mu.Lock()
	defer s.mail.mu.Unlock()
	s.since = time.Now()
	s.mail.idle = append(s.mail.idle, s)
}

// Send implements [Session].
func (s *mailSession) Send(_ context.Context, l Letter) Result {
	msg, err := s.mail.compose(l)
	if err != nil {
		return Result{Refused, "address", 0}
	}
	err = s.client.SendWithSMTPClient(s.conn, msg)
	if err == nil {
		return Result{Accepted, "data", 250}
	}
	r := resultOf(err, msg.IsDelivered())
	s.broken = r.Code == 0 || r.Code == 421 || r.Stage == "connection" || r.Stage == "content"
	if !s.broken && s.conn.Reset() != nil { // what is left of the letter must not go with the next one
		s.broken = true
	}
	return r
}

// resultOf tells what became of a letter by where the conversation failed. As long as the dot that ends it was not sent, the server has not taken it; after
// that only its answer tells.
func resultOf(err error, delivered bool) Result {
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return Result{Uncertain, "unknown", 0}
	}
	code := failed.ErrorCode()
	r := Result{Code: code}
	switch failed.Reason {
	case gomail.ErrConnCheck:
		r.Stage, r.Code = "connection", 0
	case gomail.ErrSMTPMailFrom:
		r.Stage = "sender"
	case gomail.ErrSMTPRcptTo:
		r.Stage = "recipient"
	case gomail.ErrSMTPData:
		r.Stage = "data"
	case gomail.ErrWriteContent:
		r.Stage, r.Code = "content", 0
	case gomail.ErrSMTPDataClose:
		r.Stage = "answer"
		if code == 0 {
			r.Outcome = Uncertain
			return r
		}
	case gomail.ErrSMTPReset:
		r.Stage, r.Code = "connection", 0
		if delivered {
			return r // its outcome is Accepted
		}
	case gomail.ErrGetSender, gomail.ErrGetRcpts, gomail.ErrNoUnencoded:
		return Result{Refused, "address", 0}
	default:
		return Result{Uncertain, "unknown", 0}
	}
	r.Outcome = NotNow
	if r.Code >= 500 {
		r.Outcome = Refused
	}
	return r
}

// compose writes a letter as a message. Nothing in it is loaded from anywhere, and its headers tell neither the program nor the machine.
func (m *Mail) compose(l Letter) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(l.From.From.Name, l.From.From.Address); err != nil {
		return nil, err
	}
	if err := msg.To((&mail.Address{Address: l.To.Email}).String()); err != nil {
		return nil, err
	}
	_, host, _ := strings.Cut(l.From.From.Address, "@")
	msg.SetMessageIDWithValue(idOf("message", l.ID).String() + "@" + host)
	msg.SetDateWithValue(l.At)
	msg.Subject(l.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notice answers it
	msg.SetGenHeader(gomail.HeaderContentLang, l.Language)
	if !l.Wanted {
		msg.SetGenHeader(gomail.HeaderListUnsubscribe, "<mailto:"+url.PathEscape(l.From.From.Address)+"?subject=unsubscribe>")
	}
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	_, err := msg.WriteTo(io.Discard) // what cannot be written is found before anybody is asked to take it
	return msg, err
}

// linkMinutes is for how long a link to sign in can be used.
const linkMinutes = 15

// SendSignIn sends the link that somebody asked for to sign in. An error says whether the letter was taken and shows neither address nor link.
func (m *Mail) SendSignIn(ctx context.Context, address, language, link string) error {
	words := texts.For(language)
	return m.sendNow(ctx, address, words, words.SignIn, link, true)
}

// SendInvitation invites somebody to take part.
func (m *Mail) SendInvitation(ctx context.Context, address, language, link string) error {
	words := texts.For(language)
	return m.sendNow(ctx, address, words, words.Invitation, link, false)
}

// sendNow sends a letter of which there is no ledger.
func (m *Mail) sendNow(ctx context.Context, address string, words texts.Words, what texts.Letter, link string, wanted bool) error {
	rendered, err := words.Render(what, texts.Values{Link: link, Minutes: strconv.Itoa(linkMinutes), Name: m.from.Default.Name})
	if err != nil {
		return err
	}
	l := Letter{ID: idOf(address, link).String(), To: Recipient{Email: address}, From: m.from.Default, Language: words.Tag, Rendered: rendered, Link: link, Wanted: wanted, At: m.now()}
	for try := 0; ; try++ {
		session, err := m.Open(ctx)
		if err != nil {
			return &domain.Error{Code: domain.Unavailable, Message: "no mail can be sent just now; try again later", Err: err}
		}
		r := session.Send(ctx, l)
		session.Close()
		switch {
		case r.Outcome == Accepted:
			return nil
		case r.Outcome == NotNow && r.Code == 0 && try == 0: // the connection had ended
			continue
		case r.Outcome == Refused:
			return &domain.Error{Code: domain.Invalid, Path: "email", Message: "the mail server does not take mail to this address", Err: errors.New(r.String())}
		}
		return &domain.Error{Code: domain.Unavailable, Message: "no mail can be sent just now; try again later", Err: errors.New(r.String())}
	}
}
