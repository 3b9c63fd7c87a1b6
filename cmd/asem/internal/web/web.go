package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/media"
	"asem/domain"
)

//go:embed assets pages
var files embed.FS

// Config is what the pages work with.
type Config struct {
	Endpoint   string                   // path of the GraphQL endpoint
	Examples   []Example                // offered on the query page
	Operator   Operator                 // behind the operations page
	IsOperator func(*http.Request) bool // whether who asks may see that page
	Access     *access.Store            // who may come in
	Sessions   *access.Sessions         // who is in; requests come through its Wrap
	Links      LinkSender               // nil: nobody can ask for a sign-in link
	Inviter    Inviter                  // nil: invitations are letters on paper only
	Base       string                   // where people reach this server: https://study.example
	Proxies    []netip.Prefix           // whose word about the address of a visitor counts
	Logger     *slog.Logger
	Executor   Executor         // what participants are asked, and what they send
	Board      Board            // how couples stand, for who looks after them
	Videos     *media.Library   // nil: none are kept
	Recordings Recordings       // where the clips of coders are
	Desk       Desk             // the coders' side
	Elsewhere  string           // where participants who leave at once are taken; empty: https://www.wikipedia.org/
	Now        func() time.Time // nil: the clock
}

// staffWords are what templates of staff pages can do besides.
var staffWords = template.FuncMap{"slice2": func(a, b any) []any { return []any{a, b} }}

type server struct {
	Config
	pages   *template.Template
	links   chan struct{} // a place for each request for a link under way
	journal *journal      // the participants' pages
	grants  grants        // of coders, to watch
}

// New returns the pages.
func New(c Config) http.Handler { return newServer(c).handler() }

func newServer(c Config) *server {
	s := &server{Config: c, pages: template.Must(template.New("staff").Funcs(staffWords).ParseFS(files, "pages/*.html")), links: make(chan struct{}, linksAtOnce)}
	s.journal = newJournal(s)
	return s
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range s.table() {
		mux.Handle(p.pattern, p.open(s))
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	mux.Handle("GET /assets/v/{version}/{name}", s.journal.assets)
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(s.Base); err != nil { // a proxy may give this server another name
		panic(err) // checked when the program started
	}
	return s.headers(guard.Handler(mux))
}

// table lists every page with who may open it, in reading order. A page without a policy does not compile.
func (s *server) table() []page {
	return []page{
		{"GET /{$}", public(s.home)},
		{"GET /query", public(s.query).menu("Query", domain.ActorResearcher, domain.ActorCoordinator)},
		{"GET /query/examples.json", public(s.examples)},
		{"GET /admin", operators(s.operations)},
		{"POST /admin/rebuild", operators(s.rebuild)},
		{"POST /admin/try", operators(s.tryNow)},

		{"GET /in", public(s.signInForm)},
		{"POST /in", public(s.signIn)},
		{"POST /in/email", public(s.askForLink)},
		{"GET /in/link/{token}", public(s.linkButton)},
		{"POST /in/link", public(s.followLink)},
		{"POST /in/out", public(s.signOut)},

		{"GET /join/{token}", public(s.joinForm)},
		{"POST /join/{token}", public(s.join)},

		{"GET /m/{ref}", public(s.prompted)},

		{"GET /me", s.mine((*visit).today)},
		{"GET /me/welcome", s.mine((*visit).welcome)},
		{"POST /me/welcome", s.mine((*visit).confirmPairing)},
		{"GET /me/f/{id}", s.mine((*visit).form)},
		{"POST /me/f/{id}", s.mine((*visit).take)},
		{"GET /me/own", s.mine((*visit).own)},
		{"GET /me/own/journal.json", s.mine((*visit).ownJSON)},
		{"GET /me/own/journal.csv", s.mine((*visit).ownCSV)},
		{"GET /me/choices", s.mine((*visit).choices)},
		{"GET /me/consent", s.mine((*visit).consent)},
		{"POST /me/consent", s.mine((*visit).changeConsent)},
		{"GET /me/settings", s.mine((*visit).settings)},
		{"POST /me/settings", s.mine((*visit).changeSettings)},
		{"GET /me/leave", s.mine((*visit).leave)},
		{"POST /me/leave", s.mine((*visit).withdraw)},
		{"POST /me/apart", s.mine((*visit).reportSeparation)},
		{"GET /me/help", s.mine((*visit).help)},
		{"GET /me/out", s.mine((*visit).out)},
		{"POST /me/exit", public(s.exit)},
		{"GET /me/kept", s.mine((*visit).kept)},
		{"GET /me/offline", public(s.offline)},
		{"GET /me/manifest.webmanifest", public(s.manifest)},
		{"GET /me/worker.js", public(s.worker)},
		{"/me/", s.mine((*visit).notFound)},

		{"GET /staff/in", public(s.staffSignInForm)},
		{"POST /staff/in", public(s.staffSignIn)},
		{"GET /staff/setup", public(s.setupForm)},
		{"POST /staff/setup", public(s.beginSetup)},
		{"POST /staff/setup/done", public(s.finishSetup)},
		{"POST /staff/out", public(s.staffSignOut)},
		{"GET /staff", staff(s.staffHome)},
		{"GET /staff/{study}/couples", ofStudy(s.couplesPage, domain.ActorCoordinator).menu("Couples")},
		{"POST /staff/{study}/couples/find", ofStudy(s.findCouple, domain.ActorCoordinator)},
		{"GET /staff/{study}/couples/{couple}", ofStudy(s.couplePage, domain.ActorCoordinator)},
		{"POST /staff/{study}/couples/{couple}", ofStudy(s.changeCouple, domain.ActorCoordinator)},
		{"GET /staff/{study}/couples/{couple}/video", ofStudy(s.videoPage, domain.ActorCoordinator)},
		{"POST /staff/{study}/couples/{couple}/video", ofStudy(s.changeVideo, domain.ActorCoordinator)},
		{"POST /staff/{study}/couples/{couple}/video/file", ofStudy(s.receiveVideo, domain.ActorCoordinator)},
		{"POST /staff/{study}/couples/{couple}/video/uploads", ofStudy(s.beginUpload, domain.ActorCoordinator)},
		{"HEAD /staff/{study}/couples/{couple}/video/uploads/{upload}", ofStudy(s.uploadOffset, domain.ActorCoordinator)},
		{"PATCH /staff/{study}/couples/{couple}/video/uploads/{upload}", ofStudy(s.appendUpload, domain.ActorCoordinator)},
		{"DELETE /staff/{study}/couples/{couple}/video/uploads/{upload}", ofStudy(s.endUpload, domain.ActorCoordinator)},
		{"GET /staff/{study}/enrol", ofStudy(s.enrolForm, domain.ActorCoordinator).menu("Enrol a couple")},
		{"POST /staff/{study}/enrol", ofStudy(s.enrolCouple, domain.ActorCoordinator)},
		{"GET /staff/{study}/invitations", ofStudy(s.invitations, domain.ActorCoordinator).menu("Open invitations")},
		{"POST /staff/{study}/invitations", ofStudy(s.changeInvitations, domain.ActorCoordinator)},
		{"GET /staff/{study}/concerns", ofStudy(s.concerns, domain.ActorClinician).menu("For clinicians")},
		{"POST /staff/{study}/concerns", ofStudy(s.readConcern, domain.ActorClinician)},
		{"GET /code/{assignment}/video", staff(s.codeVideo, domain.ActorCoder)},
		{"GET /staff/{study}/coding", ofStudy(s.codingPage, domain.ActorCoordinator).menu("Coding")},
		{"POST /staff/{study}/coding", ofStudy(s.changeCoding, domain.ActorCoordinator)},
		{"GET /staff/{study}/coding/{clip}", ofStudy(s.clipPage, domain.ActorCoordinator)},
		{"POST /staff/{study}/coding/{clip}", ofStudy(s.changeClip, domain.ActorCoordinator)},
		{"GET /code", staff(s.codePage, domain.ActorCoder).menu("Coding")},
		{"GET /code/{assignment}", staff(s.benchPage, domain.ActorCoder)},
		{"POST /code/{assignment}", staff(s.changeBench, domain.ActorCoder)},
		{"POST /code/{assignment}/draft", staff(s.saveDraft, domain.ActorCoder)},
		{"/code/", staff(s.noSuchStaffPage)},
		{"/staff/", staff(s.noSuchStaffPage)}, // so that a page that is not there looks like one that is not for who asks
		{"/", public(s.missing)},
	}
}

// headers keeps pages from loading or being loaded by anything but this server.
func (s *server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-cache")
		if s.secure() {
			h.Set("Strict-Transport-Security", "max-age=63072000")
		}
		next.ServeHTTP(w, r)
	})
}

// secure reports whether people reach this server over HTTPS.
func (s *server) secure() bool { return strings.HasPrefix(s.Base, "https://") }

// page renders a template. It is rendered as a whole before anything is sent.
func (s *server) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the client may be gone
}

// failed answers a failure of ours. The log has it under an id, and only the id is shown.
func (s *server) failed(w http.ResponseWriter, err error) { Failed(s.Logger, w, err) }

// Failed answers a failure of ours: the log has it under an id, and only the id is shown.
func Failed(log *slog.Logger, w http.ResponseWriter, err error) {
	id := uuid.NewString()[:8]
	log.Error("a page failed", "id", id, "code", string(domain.CodeOf(err)), "error", err.Error())
	w.Header().Set("Retry-After", "10")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "This does not work at the moment. Please try again in a while. If it goes on, tell the study team this number: "+id, http.StatusServiceUnavailable)
}

func (s *server) missing(w http.ResponseWriter, r *http.Request) {
	s.page(w, http.StatusNotFound, "missing.html", s.Config)
}
