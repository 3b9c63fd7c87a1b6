package prompting

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"asem/domain"
)

// Webhook hands letters to a service of the lab's own that knows the participants' telephones: a gateway for text messages, a push service. It
// gets a POST with a JSON body for each:
//
//	{"id": "…", "study": "DEMO", "couple": "017", "role": "A", "participant": "017-w", "language": "en",
//	 "subject": "…", "text": "…", "link": "https://…", "expires": "2026-03-03T21:00:00Z"}
//
// The header Asem-Signature is "t=UNIX,v1=HEX", where HEX is HMAC-SHA256, under the shared secret, of UNIX, a dot and the body. Idempotency-Key repeats the
// id; the service should not act twice on one. An answer of 2xx means that it was taken, 429 or 503 that it was not and may be given again; any other
// 4xx refuses it for good. After any other answer, or none, nobody knows, and it is not given again.
type Webhook struct {
	address string
	host    string
	direct  bool // no proxy stands in between
	secret  []byte
	client  *http.Client
	now     func() time.Time
}

var _ Channel = (*Webhook)(nil)

// webhookTimeout bounds a request from dialling to the end of the answer.
const webhookTimeout = 20 * time.Second

// minSecret is the least length of the secret that signs requests.
const minSecret = 16

// NewWebhook returns a channel to a service. The address must be https, or http on this machine.
func NewWebhook(address string, secret []byte, clock Clock) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, &domain.Error{Code: domain.Invalid, Path: "webhook", Message: "this is not the address of a service; expected https://HOST/PATH, without user and password"}
	}
	if len(secret) < minSecret {
		return nil, &domain.Error{Code: domain.Invalid, Path: "webhook", Message: fmt.Sprintf("the secret has %d bytes; expected at least %d", len(secret), minSecret)}
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// With connections that are used again the transport would, by itself, repeat a request that has an Idempotency-Key.
	transport.DisableKeepAlives = true
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return &Webhook{address: address, host: host, direct: err == nil && proxy == nil, secret: secret, now: clock.Now, client: &http.Client{Transport: transport, Timeout: webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name implements [Channel].
func (w *Webhook) Name() string { return "webhook" }

// Reaches implements [Channel]: whom the service knows is the service's to tell.
func (w *Webhook) Reaches(Recipient) bool { return true }

// Open implements [Channel]. Only that somebody listens can be found out before.
func (w *Webhook) Open(ctx context.Context) (Session, error) {
	if w.direct {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", w.host)
		if err != nil {
			return nil, errors.New("the webhook's host cannot be reached")
		}
		_ = conn.Close() // nothing was said
	}
	return webhookSession{w}, nil
}

type webhookSession struct{ *Webhook }

// Close implements [Session].
func (webhookSession) Close() {}

// Send implements [Session].
func (w webhookSession) Send(ctx context.Context, l Letter) Result {
	body, err := json.Marshal(struct {
		ID          string      `json:"id"`
		Study       string      `json:"study"`
		Couple      string      `json:"couple"`
		Role        domain.Role `json:"role"`
		Participant string      `json:"participant"`
		Language    string      `json:"language"`
		Subject     string      `json:"subject"`
		Text        string      `json:"text"`
		Link        string      `json:"link"`
		Expires     time.Time   `json:"expires"`
	}{l.ID, l.To.Study, l.To.Couple, l.To.Role, l.To.Code, l.Language, l.Subject, l.Text, l.Link, l.Expires.UTC()})
	if err != nil {
		return Result{Refused, "request", 0}
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(body))
	if err != nil {
		return Result{Refused, "request", 0}
	}
	at := fmt.Sprint(w.now().Unix())
	sign := hmac.New(sha256.New, w.secret)
	fmt.Fprintf(sign, "%s.%s", at, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "asem")
	r.Header.Set("Idempotency-Key", l.ID)
	r.Header.Set("Asem-Signature", "t="+at+",v1="+hex.EncodeToString(sign.Sum(nil)))
	res, err := w.client.Do(r)
	if err != nil {
		if connected.Load() {
			return Result{Uncertain, "answer", 0}
		}
		return Result{NotNow, "connection", 0}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the status says it all
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return Result{Accepted, "answer", code}
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return Result{NotNow, "answer", code}
	case code >= 300 && code < 500:
		return Result{Refused, "answer", code}
	default:
		return Result{Uncertain, "answer", code}
	}
}
