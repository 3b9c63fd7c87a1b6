package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed assets pages
var files embed.FS

// Config is what the pages work with.
type Config struct {
	Endpoint   string                   // path of the GraphQL endpoint
	Examples   []Example                // offered on the query page
	Operator   Operator                 // behind the operations page; nil: there is none
	IsOperator func(*http.Request) bool // whether who asks may see that page
	Journal    *Journal                 // the participants' pages; nil: there are none
}

type server struct {
	Config
	pages *template.Template
}

// New returns the pages.
func New(c Config) http.Handler {
	s := &server{c, template.Must(template.ParseFS(files, "pages/*.html"))}
	mux := http.NewServeMux()
	s.routes(mux)
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

// routes lists every page, in reading order.
func (s *server) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /query", s.query)
	mux.HandleFunc("GET /query/examples.json", s.examples)
	if s.Operator != nil {
		mux.Handle("GET /admin", s.forOperators(s.operations))
		mux.Handle("POST /admin/rebuild", s.forOperators(s.rebuild))
		mux.Handle("POST /admin/try", s.forOperators(s.tryNow))
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	if s.Journal != nil {
		a := loadAssets()
		mux.Handle("GET /assets/v/{version}/{name}", a)
		newJournal(*s.Journal, a).routes(mux)
	}
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	mux.HandleFunc("GET /", s.missing)
}

// headers keeps pages from loading or being loaded by anything but this server.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// page renders a template. It is rendered as a whole before anything is sent.
func (s *server) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the client may be gone
}

func (s *server) missing(w http.ResponseWriter, _ *http.Request) {
	s.page(w, http.StatusNotFound, "missing.html", s.Config)
}
