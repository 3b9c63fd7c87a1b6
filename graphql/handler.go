package graphql

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	gql "github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	lru "github.com/hashicorp/golang-lru/v2"

	"asem/domain"
	"asem/projections"
)

// Config is what the handler works with.
type Config struct {
	Store        *projections.Store
	Live         LiveModels                          // what registered models came to; nil: they are not fitted here
	Ledger       Ledger                              // proves what stands in the log; nil: proofs are unavailable
	Authenticate func(*http.Request) (Viewer, error) // who asks; an error refuses the request as unauthenticated
	Logger       *slog.Logger
	Limits       Limits        // zero means DefaultLimits
	Timeout      time.Duration // of one request; 0 means 20 s
}

// Handler answers GraphQL over HTTP (the GraphQL-over-HTTP draft, both of its media types).
type Handler struct {
	Config
	schema    gql.Schema
	documents *lru.Cache[[32]byte, document] // by SHA-256 of the text
}

// New makes the handler.
func New(c Config) (http.Handler, error) {
	schema, err := newSchema()
	if err != nil {
		return nil, fmt.Errorf("graphql schema: %w", err)
	}
	h, err := newHandler(c, schema)
	if err != nil {
		return nil, err
	}
	// A browser page of another site must not be able to send requests with this site's cookies.
	return http.NewCrossOriginProtection().Handler(h), nil
}

func newHandler(c Config, schema gql.Schema) (*Handler, error) {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	documents, err := lru.New[[32]byte, document](keptDocuments)
	if err != nil {
		return nil, err
	}
	return &Handler{Config: c, schema: schema, documents: documents}, nil
}

// requestError is a refusal before execution.
type requestError struct {
	status   int // for application/json bodies that never were a GraphQL request; 0 means it was one
	code     string
	message  string
	location []map[string]int
}

func (e *requestError) Error() string { return e.message }

func malformed(status int, format string, args ...any) *requestError {
	return &requestError{status: status, code: "invalid", message: fmt.Sprintf(format, args...)}
}

// request is a GraphQL request as it came over HTTP.
type request struct {
	query     string
	operation string
	variables map[string]any
}

const (
	responseType = "application/graphql-response+json"
	jsonType     = "application/json"
)

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	media, ok := accepts(r.Header.Values("Accept"))
	if !ok {
		http.Error(w, "this endpoint answers with "+responseType+" or "+jsonType, http.StatusNotAcceptable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
	defer cancel()
	status, body := h.answer(ctx, w, r.WithContext(ctx), media)
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Vary", "Accept, Authorization, Cookie")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // the client may be gone
}

// accepts chooses the media type of the answer.
func accepts(headers []string) (media string, ok bool) {
	if len(headers) == 0 {
		return jsonType, true
	}
	best, rank := "", 0.0
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		t, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				q = 0
			}
		}
		if c, ok := params["charset"]; ok && !strings.EqualFold(c, "utf-8") {
			continue
		}
		switch t {
		case responseType:
		case jsonType:
		case "*/*", "application/*":
			t = jsonType
			q *= 0.999 // what is named goes before what is only allowed
		default:
			continue
		}
		if q > rank {
			best, rank = t, q
		}
	}
	return best, best != ""
}

// answer does the work and returns status and body.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, media string) (int, []byte) {
	result, err := h.handle(ctx, w, r)
	if err != nil {
		return refusal(media, err)
	}
	out := map[string]any{"data": result.data, "extensions": map[string]any{"cost": result.cost}}
	if len(result.errors) > 0 {
		out["errors"] = result.errors
	}
	body, err := json.Marshal(out)
	if err != nil {
		return refusal(media, h.internal(ctx, fmt.Errorf("encode the answer: %w", err)))
	}
	if result.data == nil && media == responseType {
		return statusOf(result.errors), body
	}
	return http.StatusOK, body
}

// statusOf is the HTTP status of an answer without data: the server's fault if any of its errors is.
func statusOf(list []fieldError) int {
	status := http.StatusBadRequest
	for _, e := range list {
		switch e.Extensions.Code {
		case domain.Internal:
			return http.StatusInternalServerError
		case domain.Unavailable:
			status = http.StatusServiceUnavailable
		}
	}
	return status
}

// refusal is the answer to a request that was not executed.
func refusal(media string, err error) (int, []byte) {
	var e *requestError
	if !errors.As(err, &e) {
		e = &requestError{code: "internal", message: "something went wrong", status: http.StatusInternalServerError}
	}
	entry := map[string]any{"message": e.message, "extensions": map[string]any{"code": e.code}}
	if e.location != nil {
		entry["locations"] = e.location
	}
	body, _ := json.Marshal(map[string]any{"errors": []any{entry}}) // only texts and numbers
	status := e.status
	if status == 0 {
		// A well-formed GraphQL request that is wrong: application/json has always answered 200.
		if status = http.StatusOK; media == responseType {
			status = http.StatusBadRequest
		}
	}
	return status, body
}

// result is what came of an operation.
type result struct {
	data   any
	errors []fieldError
	cost   int
}

// handle runs the guards in order of what they cost, then executes.
func (h *Handler) handle(ctx context.Context, w http.ResponseWriter, r *http.Request) (_ result, err error) {
	defer func() { // graphql-go's parser and validator have been seen to panic
		if x := recover(); x != nil {
			err = h.internal(ctx, fmt.Errorf("panic: %v\n%s", x, debug.Stack()))
		}
	}()
	req, err := h.read(w, r)
	if err != nil {
		return result{}, err
	}
	viewer, err := h.Authenticate(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="asem"`)
		return result{}, &requestError{status: http.StatusUnauthorized, code: string(domain.Unauthenticated), message: "the token is not valid; sign in again or ask for a new one"}
	}
	doc, err := h.document(req.query, viewer)
	if err != nil {
		return result{}, err
	}
	op, err := operationOf(doc.Document, req.operation)
	if err != nil {
		return result{}, err
	}
	if op.Operation != ast.OperationTypeQuery && r.Method == http.MethodGet {
		w.Header().Set("Allow", "POST")
		return result{}, malformed(http.StatusMethodNotAllowed, "only a query may come by GET; send this %s by POST", op.Operation)
	}
	if op.Operation == ast.OperationTypeSubscription {
		return result{}, &requestError{code: "invalid", message: "there are no subscriptions"}
	}
	if err := strictVariables(h.schema, op, req.variables); err != nil {
		return result{}, err
	}
	cost, err := measure(doc.Document, op, req.variables, h.Limits)
	if err != nil {
		return result{}, err
	}
	state, err := newState(ctx, h.Store, viewer)
	if err != nil {
		return result{}, h.internal(ctx, err)
	}
	state.ledger, state.live = h.Ledger, h.Live
	got := gql.Execute(gql.ExecuteParams{Schema: h.schema, Root: root{}, AST: doc.Document, OperationName: req.operation, Args: req.variables, Context: withState(ctx, state)})
	if err := ctx.Err(); err != nil {
		return result{}, &requestError{status: http.StatusServiceUnavailable, code: string(domain.Unavailable), message: "the request took too long; ask for less at a time"}
	}
	if got.Data == nil && len(got.Errors) > 0 && len(got.Errors[0].Path) == 0 { // variables that do not fit
		e := got.Errors[0]
		return result{}, &requestError{code: "invalid", message: short(e.Message), location: doc.places(e)}
	}
	return result{got.Data, h.mask(ctx, doc, got.Errors), cost}, nil
}

// read takes the request out of URL or body.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (request, error) {
	switch r.Method {
	case http.MethodGet:
		q := r.URL.Query()
		req := request{query: q.Get("query"), operation: q.Get("operationName")}
		if len(req.query) > h.Limits.Body {
			return req, malformed(http.StatusRequestEntityTooLarge, "the query has more than %d bytes", h.Limits.Body)
		}
		if v := q.Get("variables"); v != "" {
			if len(v) > h.Limits.Variables {
				return req, limited("variables have more than %d bytes", h.Limits.Variables)
			}
			if err := json.Unmarshal([]byte(v), &req.variables); err != nil {
				return req, malformed(http.StatusBadRequest, "variables are not a JSON object")
			}
		}
		return req, req.check()
	case http.MethodPost:
		t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if c := params["charset"]; err != nil || t != jsonType || c != "" && !strings.EqualFold(c, "utf-8") {
			return request{}, malformed(http.StatusUnsupportedMediaType, "expected a body of %s in UTF-8", jsonType)
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.Limits.Body)))
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return request{}, malformed(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", h.Limits.Body)
			}
			return request{}, malformed(http.StatusBadRequest, "the body could not be read")
		}
		return h.parseBody(body)
	}
	w.Header().Set("Allow", "GET, POST")
	return request{}, malformed(http.StatusMethodNotAllowed, "expected GET or POST")
}

func (h *Handler) parseBody(body []byte) (request, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return request{}, malformed(http.StatusBadRequest, "the body is not a JSON object with a query; batches are not taken")
	}
	var req request
	text := func(name string, to *string) error {
		raw, ok := fields[name]
		if !ok || string(raw) == "null" {
			return nil
		}
		if json.Unmarshal(raw, to) != nil {
			return malformed(http.StatusBadRequest, "%s is not a text", name)
		}
		return nil
	}
	object := func(name string, to *map[string]any) error {
		raw, ok := fields[name]
		if !ok || string(raw) == "null" {
			return nil
		}
		if len(raw) > h.Limits.Variables {
			return limited("%s have more than %d bytes", name, h.Limits.Variables)
		}
		if json.Unmarshal(raw, to) != nil {
			return malformed(http.StatusBadRequest, "%s is not an object", name)
		}
		return nil
	}
	var ignored map[string]any
	if err := errors.Join(text("query", &req.query), text("operationName", &req.operation), object("variables", &req.variables), object("extensions", &ignored)); err != nil {
		return req, err
	}
	return req, req.check()
}

func (r request) check() error {
	if strings.TrimSpace(r.query) == "" {
		return malformed(http.StatusBadRequest, "there is no query")
	}
	return nil
}

// fieldError is an error of a field as a client sees it.
type fieldError struct {
	Message    string           `json:"message"`
	Path       []any            `json:"path,omitempty"`
	Locations  []map[string]int `json:"locations,omitempty"`
	Extensions struct {
		Code     domain.Code `json:"code"`
		Argument string      `json:"argument,omitempty"`
		ID       string      `json:"id,omitempty"` // of the line in the log
	} `json:"extensions"`
}

// mask turns the errors of resolvers into what a client may see: a code and a sentence for those that
// have one, an id for all others, whose cause is logged under it, once however many fields it struck.
func (h *Handler) mask(ctx context.Context, doc document, list []gqlerrors.FormattedError) []fieldError {
	var out []fieldError
	logged := map[string]string{}
	for _, e := range list {
		f := fieldError{Message: short(e.Message), Path: e.Path, Locations: doc.places(e)}
		f.Extensions.Code = domain.Invalid
		if cause := causeOf(e.OriginalError()); cause != nil {
			var known *domain.Error
			switch {
			case errors.As(cause, &known) && known.Code != domain.Internal:
				f.Message, f.Extensions.Code, f.Extensions.Argument = known.Message, known.Code, known.Path
			case ctx.Err() != nil:
				f.Message, f.Extensions.Code = "the request took too long", domain.Unavailable
			default:
				id, ok := logged[cause.Error()]
				if !ok {
					id = h.log(ctx, cause)
					logged[cause.Error()] = id
				}
				f.Message, f.Extensions.Code, f.Extensions.ID = "something went wrong; the log has it under "+id, domain.Internal, id
			}
		}
		out = append(out, f)
	}
	return out
}

// causeOf takes off what graphql-go wraps around the error of a resolver.
func causeOf(err error) error {
	for {
		var located *gqlerrors.Error
		if !errors.As(err, &located) || located.OriginalError == nil {
			return err
		}
		err = located.OriginalError
	}
}

func (h *Handler) internal(ctx context.Context, err error) error {
	var known *domain.Error
	if errors.As(err, &known) && known.Code != domain.Internal {
		return &requestError{code: string(known.Code), message: known.Message}
	}
	return &requestError{status: http.StatusInternalServerError, code: string(domain.Internal), message: "something went wrong; the log has it under " + h.log(ctx, err)}
}

// log keeps an error under an id that may be shown.
func (h *Handler) log(ctx context.Context, err error) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	h.Logger.ErrorContext(ctx, "graphql", "id", id, "error", err.Error())
	return id
}

// number returns a float that JSON can hold: nil if it is not finite.
func number(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}
