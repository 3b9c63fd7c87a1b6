package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sort"

	"asem/cmd/asem/internal/web/language"
)

// offline is the page that is shown without a connection. It is the same for everybody and is kept by the worker.
func (s *server) offline(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(w, r)
	w.Header().Set("Cache-Control", "no-cache") // it holds nothing of anybody
	v.render(http.StatusOK, "offline", "", nil)
}

// manifest lets the pages be put on the home screen, under a name that says nothing.
func (s *server) manifest(w http.ResponseWriter, r *http.Request) {
	l := languageOf(r, nil, nil)
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose"`
	}
	body, err := json.Marshal(map[string]any{
		"name": l.T("app"), "short_name": l.T("app"), "lang": l.Tag, "dir": l.Dir, "id": "/me", "start_url": "/me", "scope": "/me", "display": "standalone",
		"background_color": "#f8f6f1", "theme_color": "#f8f6f1",
		"icons": []icon{
			{s.journal.assets.path + "icon.svg", "any", "image/svg+xml", "any"},
			{s.journal.assets.path + "icon-192.png", "192x192", "image/png", "any"},
			{s.journal.assets.path + "icon-512.png", "512x512", "image/png", "any"},
			{s.journal.assets.path + "icon-512.png", "512x512", "image/png", "maskable"},
		},
	})
	if err != nil {
		http.Error(w, "the manifest could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Write(body) // the client may be gone
}

// worker is the script that answers for the server while there is no connection. It names what it keeps, so that a new version is another script.
func (s *server) worker(w http.ResponseWriter, r *http.Request) {
	l := languageOf(r, nil, nil)
	var keep []string
	for name := range s.journal.assets.files {
		if name != "worker.js" && name != "icon-512.png" {
			keep = append(keep, s.journal.assets.path+name)
		}
	}
	sort.Strings(keep)
	keep = append(keep, offlinePath(l))
	list, err := json.Marshal(keep)
	if err != nil {
		http.Error(w, "the worker could not be written", http.StatusInternalServerError)
		return
	}
	body := bytes.ReplaceAll(s.journal.assets.files["worker.js"].plain, []byte(`"VERSION"`), []byte(`"`+s.journal.assets.version+l.Tag+`"`))
	body = bytes.ReplaceAll(body, []byte(`["KEEP"]`), list)
	body = bytes.ReplaceAll(body, []byte(`"OFFLINE"`), []byte(`"`+offlinePath(l)+`"`))
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Service-Worker-Allowed", "/me")
	w.Write(body) // the client may be gone
}

func offlinePath(l *language.Language) string { return "/me/offline?lang=" + l.Tag }
