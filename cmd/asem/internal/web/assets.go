package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// assets are the scripts, styles and icons of the participants' pages. Their path holds a hash of all of them, so that a browser asks for each once.
type assets struct {
	version string
	path    string // ends in a slash
	files   map[string]asset
}

type asset struct {
	kind          string
	plain, packed []byte // packed is nil where it would not be smaller
}

func loadAssets() *assets {
	a := &assets{files: map[string]asset{}}
	hash := sha256.New()
	root, err := fs.Sub(files, "assets/journal")
	if err == nil {
		err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			plain, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			hash.Write([]byte(name))
			hash.Write(plain)
			kind := mime.TypeByExtension(path.Ext(name))
			if path.Ext(name) == ".js" {
				kind = "text/javascript; charset=utf-8"
			}
			one := asset{kind: kind, plain: plain}
			var packed bytes.Buffer
			w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
			if err != nil {
				return err
			}
			if _, err := w.Write(plain); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			if packed.Len() < len(plain)*9/10 {
				one.packed = packed.Bytes()
			}
			a.files[name] = one
			return nil
		})
	}
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	a.version = hex.EncodeToString(hash.Sum(nil))[:12]
	a.path = "/assets/v/" + a.version + "/"
	return a
}

// ServeHTTP serves what a path of any version asks for. A path of another version, of a page from before the server was renewed, has what there is now.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if _, ok := a.files[name]; !ok {
		http.NotFound(w, r)
		return
	}
	if r.PathValue("version") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	a.serve(w, r, name)
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string) {
	one := a.files[name]
	h := w.Header()
	h.Set("Content-Type", one.kind)
	h.Set("Vary", "Accept-Encoding")
	body := one.plain
	if one.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = one.packed
	}
	w.Write(body) // the client may be gone
}
