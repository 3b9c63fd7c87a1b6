package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/prompting"
	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events"
	"asem/events/feed"
	"asem/projections"
)

// promptingFlags say how participants are reached.
type promptingFlags struct {
	SMTP             string `name:"smtp" help:"Send mail through this server: smtp://USER@HOST:587 (STARTTLS) or smtps://USER@HOST. The password is in ASEM_SMTP_PASSWORD or a file." env:"ASEM_SMTP" placeholder:"URL"`
	SMTPPasswordFile string `name:"smtp-password-file" help:"File with the password for the mail server." env:"ASEM_SMTP_PASSWORD_FILE" type:"path" placeholder:"FILE"`
	MailFrom         string `name:"mail-from" help:"Whom mail is from, as 'Journal <journal@lab.example>'. It should tell nothing of the study." env:"ASEM_MAIL_FROM" placeholder:"ADDRESS"`
	MailIdentities   string `name:"mail-identities" help:"YAML file with other senders, subjects and signatures by study, or by study and site." env:"ASEM_MAIL_IDENTITIES" type:"path" placeholder:"FILE"`
	Webhook          string `name:"webhook" help:"Hand reminders of those without an e-mail address to this service, which may send text messages. The secret that signs them is in ASEM_WEBHOOK_SECRET or a file." env:"ASEM_WEBHOOK" placeholder:"URL"`
	WebhookSecret    string `name:"webhook-secret-file" help:"File with the secret of the webhook." env:"ASEM_WEBHOOK_SECRET_FILE" type:"path" placeholder:"FILE"`
	PerMinute        int    `name:"prompts-per-minute" help:"How many reminders are sent in a minute at most." env:"ASEM_PROMPTS_PER_MINUTE" default:"300"`
}

// reach is how participants are reached.
type reach struct {
	mail      *prompting.Mail // nil: there is no mail
	channels  []prompting.Channel
	from      prompting.Identities
	perMinute int
}

// reach opens nothing yet: a server that is away keeps nobody from starting.
func (f promptingFlags) reach() (reach, error) {
	r := reach{perMinute: f.PerMinute}
	if f.PerMinute < 1 {
		return r, &domain.Error{Code: domain.Invalid, Path: "--prompts-per-minute", Message: "expected 1 or more"}
	}
	clock := prompting.SystemClock{}
	if f.MailFrom != "" {
		from, err := mail.ParseAddress(f.MailFrom)
		if err != nil {
			return r, &domain.Error{Code: domain.Invalid, Path: "--mail-from", Message: "this is not an address; expected one such as 'Journal <journal@lab.example>'"}
		}
		r.from.Default.From = *from
	}
	if f.MailIdentities != "" {
		var err error
		if r.from.Of, err = readIdentities(f.MailIdentities); err != nil {
			return r, err
		}
	}
	if f.SMTP != "" {
		if f.MailFrom == "" {
			return r, &domain.Error{Code: domain.Invalid, Path: "--mail-from", Message: "mail needs a sender; expected one such as 'Journal <journal@lab.example>'"}
		}
		server, err := prompting.ParseMailServer(f.SMTP)
		if err != nil {
			return r, err
		}
		if server.Password, err = secretOf("ASEM_SMTP_PASSWORD", f.SMTPPasswordFile); err != nil {
			return r, err
		}
		if r.mail, err = prompting.NewMail(server, r.from, clock); err != nil {
			return r, err
		}
		r.channels = append(r.channels, r.mail)
	}
	if f.Webhook != "" {
		secret, err := secretOf("ASEM_WEBHOOK_SECRET", f.WebhookSecret)
		if err != nil {
			return r, err
		}
		hook, err := prompting.NewWebhook(f.Webhook, []byte(secret), clock)
		if err != nil {
			return r, err
		}
		r.channels = append(r.channels, hook)
	}
	return r, nil
}

// secretOf reads a secret from the environment or a file; the file goes first.
func secretOf(variable, path string) (string, error) {
	if path == "" {
		return os.Getenv(variable), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &domain.Error{Code: domain.Invalid, Path: path, Message: "the file with the secret cannot be read", Err: err}
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// readIdentities reads whom mail is from, by STUDY or STUDY/SITE.
func readIdentities(path string) (map[string]prompting.Identity, error) {
	bad := func(of, what string) error {
		return &domain.Error{Code: domain.Invalid, Path: path, Message: strings.TrimPrefix(of+": "+what, ": ")}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the file cannot be read", Err: err}
	}
	var stated map[string]struct {
		From    string            `yaml:"from"`
		Subject map[string]string `yaml:"subject"`
		Name    string            `yaml:"name"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&stated); err != nil {
		return nil, bad("", yaml.FormatError(err, false, false))
	}
	list := make(map[string]prompting.Identity, len(stated))
	for of, s := range stated {
		study, site, isSite := strings.Cut(of, "/")
		if domain.CheckCode("", study) != nil || isSite && domain.CheckCode("", site) != nil {
			return nil, bad(of, "expected the code of a study, or of a study and a site as DEMO/north")
		}
		id := prompting.Identity{Subject: s.Subject, Name: s.Name}
		if s.From != "" {
			from, err := mail.ParseAddress(s.From)
			if err != nil {
				return nil, bad(of, "from is not an address; expected one such as 'Journal <journal@lab.example>'")
			}
			id.From = *from
		}
		for language, subject := range s.Subject {
			if strings.ContainsAny(subject, "\r\n") || subject == "" {
				return nil, bad(of, "the subject in "+language+" is empty or has several lines")
			}
		}
		list[of] = id
	}
	return list, nil
}

// prompter returns what reminds participants and closes what ended, and the router that drives it.
func (h *house) prompter(r reach, address string, leader *projections.Leadership, log *slog.Logger) (*prompting.Scheduler, *feed.Router, error) {
	key := hmac.New(sha256.New, []byte(h.keys.Signer()))
	key.Write([]byte("asem: times of reminders"))
	s := prompting.New(prompting.Config{
		Exec: h.exec, Couples: prompting.ReadModels{Store: h.read}, Leads: func() bool { return leader.Leads(prompting.Name) }, Planner: prompting.Planner{Key: key.Sum(nil)},
		Channels: r.channels, From: r.from, Linker: promptLinks{h.access, address}, Address: address + "/me", PerMinute: r.perMinute, Logger: log,
	})
	router, err := feed.NewRouter(h.archive, feed.Options{Logger: log, Leader: leader}, s)
	return s, router, err
}

// promptLinks makes the links in reminders. They let nobody in: who has the letter has not yet shown to be the person.
type promptLinks struct {
	access *access.Store
	base   string
}

func (l promptLinks) Link(_ context.Context, to prompting.Participant, prompt string, _ time.Time) (string, error) {
	return l.base + web.PromptPath(l.access, access.Participant{Study: to.Study, Couple: to.Couple, Role: to.Role}, prompt), nil
}

// signInMail sends the links by which participants sign in.
type signInMail struct {
	mail *prompting.Mail
	exec *events.Executor
}

var _ web.LinkSender = signInMail{}

// SendLink implements [web.LinkSender].
func (m signInMail) SendLink(ctx context.Context, who access.Participant, address, link string) error {
	past, err := m.exec.Past(ctx, who.Study, who.Couple)
	if err != nil {
		return err
	}
	p, ok := past.Couple.Participant(who.Role)
	if !ok {
		return errors.New("the participant was erased")
	}
	language := p.Language
	if language == "" {
		language = past.Study.Protocol.AskedIn()[0]
	}
	return m.mail.SendSignIn(ctx, address, language, link)
}

// reminders tells operators where the scheduler stands.
func (o *operations) reminders() *web.Reminders {
	if o.prompter == nil {
		return nil
	}
	s := o.prompter.State()
	r := &web.Reminders{Leads: o.leader.Leads(prompting.Name), Couples: s.Couples, Due: s.Due, Behind: s.Behind, UnderWay: s.UnderWay, Accepted: s.Accepted, Failed: s.Failed}
	for _, c := range s.Channels {
		r.Channels = append(r.Channels, web.ReminderChannel(c))
	}
	for _, f := range o.prompting.States() {
		r.Failure = f.Failure
	}
	return r
}

// readiness of reminders, in a sentence for everybody.
func (o *operations) remindersReady() string {
	switch r := o.reminders(); {
	case r == nil:
		return ""
	case len(r.Channels) == 0:
		return "reminders: nothing is sent, for there is neither a mail server nor a webhook\n"
	case r.Failure != "":
		return "reminders: stand still\n"
	default:
		for _, c := range r.Channels {
			if c.Away {
				return fmt.Sprintf("reminders: %s is away\n", c.Name)
			}
		}
		return "reminders: ready\n"
	}
}
