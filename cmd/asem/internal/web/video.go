package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/projections"
)

// Recordings finds whose clip an assignment is about.
type Recordings interface {
	Assignment(ctx context.Context, id string) (projections.CoupleRef, bool, error)
}

type videoBody struct {
	studyPage
	Couple       string
	Ref          string
	Path         string
	NoTools      string // why no video can be taken in; empty: it can
	Tasks        []domain.Task
	Zone         string
	Interactions []interactionBody
}

type interactionBody struct {
	domain.HeldInteraction
	Title   string
	Held    string
	Length  string
	Cuts    []cutBody
	Video   *domain.Video
	Lasts   string // the video
	MB      string
	Uploads []uploadBody
	Working bool
	Percent int
	Problem string
}

type cutBody struct{ Clip, From, To, State string }

type uploadBody struct {
	media.Upload
	Percent int
	Path    string
}

// past loads what there is of the couple of a page, or answers why it cannot.
func (s *server) pastOf(w http.ResponseWriter, r *http.Request, u access.Staff, study string) (string, domain.Past, bool) {
	if s.Videos == nil {
		s.noSuchStaffPage(w, r, u)
		return "", domain.Past{}, false
	}
	c, _, ok := s.couple(w, r, u, study)
	if !ok {
		return "", domain.Past{}, false
	}
	past, err := s.Executor.Past(r.Context(), study, c.Code)
	if err != nil {
		s.failed(w, err)
		return "", past, false
	}
	return c.Code, past, true
}

// videoPage shows the recorded interactions of a couple, with their videos and clips.
func (s *server) videoPage(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if couple, past, ok := s.pastOf(w, r, u, study); ok {
		s.showVideos(w, r, u, study, couple, past, http.StatusOK, "", nil)
	}
}

func (s *server) showVideos(w http.ResponseWriter, r *http.Request, u access.Staff, study, couple string, past domain.Past, status int, done string, problem error) {
	b := videoBody{studyPage: s.ofStudyPage(r, u, study), Couple: couple, Ref: s.coupleRef(study, couple), Zone: past.Study.Zone}
	b.Path, b.Done = b.Base+"/couples/"+b.Ref+"/video", done
	if problem != nil {
		b.Mends = mends(problem)
	}
	if err := s.Videos.Tools.Err(); err != nil {
		b.NoTools = mends(err)[0]
	}
	protocol := past.Study.Protocol
	b.Tasks = slices.DeleteFunc(slices.Clone(protocol.Tasks), func(t domain.Task) bool { return t.Unrecorded })
	uploads, err := s.Videos.Uploads(study, couple)
	if err != nil {
		s.failed(w, err)
		return
	}
	for _, h := range past.Couple.Interactions() {
		in := interactionBody{HeldInteraction: h, Title: h.Task, Held: h.HeldAt.In(zoneOf(past.Study.Zone)).Format("2 Jan 2006 15:04"), Length: timeIn(h.DurationMs)}
		if t, ok := protocol.Task(h.Task); ok {
			in.Title = t.Title
		}
		for _, c := range h.Clips {
			cut := cutBody{Clip: c.Clip, From: timeIn(c.StartMs), To: timeIn(c.EndMs)}
			if o, ok := s.Videos.Outcome(study, couple, h.Interaction, c.Clip); ok {
				cut.State = "being cut"
				if o.Problem != "" {
					cut.State = sentence(o.Problem)
				}
			}
			in.Cuts = append(in.Cuts, cut)
		}
		if v, ok := past.Couple.VideoOf(h.Interaction); ok {
			in.Video, in.Lasts, in.MB = &v, timeIn(v.DurationMs), fmt.Sprintf("%.1f MB", float64(v.Bytes)/1e6)
		}
		if o, ok := s.Videos.Outcome(study, couple, h.Interaction, ""); ok {
			in.Working, in.Percent = o.Working, int(100*o.Share)
			if o.Problem != "" {
				in.Problem = sentence(o.Problem)
			}
		}
		for _, up := range uploads {
			if up.Interaction == h.Interaction && !up.Complete() {
				in.Uploads = append(in.Uploads, uploadBody{up, int(100 * up.Received / up.Size), b.Path + "/uploads/" + up.ID})
			}
		}
		b.Interactions = append(b.Interactions, in)
	}
	s.staffPage(w, status, "video.html", "Videos of couple "+couple, u.Name, b)
}

// timeIn writes a time within a recording: 12:03 or 12:03.250.
func timeIn(ms int) string {
	text := fmt.Sprintf("%d:%02d", ms/60_000, ms/1000%60)
	if ms%1000 != 0 {
		text += fmt.Sprintf(".%03d", ms%1000)
	}
	return text
}

// readTimeIn reads a time within a recording, as timeIn writes it.
func readTimeIn(field, text string) (int, error) {
	wrong := &domain.Error{Code: domain.Invalid, Path: field, Message: fmt.Sprintf("%q is no time within a recording; expected minutes and seconds, as 12:03 or 12:03.250", text)}
	minutes, rest, ok := strings.Cut(strings.TrimSpace(text), ":")
	seconds, part, dotted := strings.Cut(rest, ".")
	if !ok || len(minutes) == 0 || len(minutes) > 4 || len(seconds) != 2 || dotted && (len(part) == 0 || len(part) > 3) || !digits(minutes+seconds+part) {
		return 0, wrong
	}
	m, sec := number(minutes), number(seconds)
	if sec > 59 {
		return 0, wrong
	}
	return m*60_000 + sec*1000 + number((part + "000")[:3]), nil
}

func digits(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// changeVideo does one of the things that coordinators do about recordings.
func (s *server) changeVideo(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	couple, past, ok := s.pastOf(w, r, u, study)
	if !ok {
		return
	}
	f := r.PostForm
	var err error
	var done string
	do := func(text string, c domain.Command) {
		done = text
		if err == nil {
			_, err = s.Executor.ExecuteAll(r.Context(), uuid.New(), s.staffOrders(u, domain.ActorCoordinator, c))
		}
	}
	switch f.Get("do") {
	case "interaction":
		var ms int
		ms, err = readTimeIn("duration", f.Get("duration"))
		held, e := time.ParseInLocation("2006-01-02T15:04", f.Get("held"), zoneOf(past.Study.Zone))
		if e != nil {
			err = errors.Join(err, &domain.Error{Code: domain.Invalid, Path: "held", Message: "when it was held is missing; expected a day and a time"})
		}
		do("The interaction was recorded. Now its video can be sent.", domain.RecordInteraction{Study: study, Couple: couple, Interaction: freeCode("i", past), Task: f.Get("task"), DurationMs: ms, HeldAt: held})
	case "clip":
		from, e1 := readTimeIn("from", f.Get("from"))
		to, e2 := readTimeIn("to", f.Get("to"))
		err = errors.Join(e1, e2)
		do("The clip was cut.", domain.CutClip{Study: study, Couple: couple, Clip: freeCode("c", past), Interaction: f.Get("interaction"), StartMs: from, EndMs: to})
		if err == nil {
			err = s.Videos.CutAll(r.Context(), media.Couple{Study: study, Code: couple})
		}
	case "delete":
		v, there := past.Couple.VideoOf(f.Get("interaction"))
		switch {
		case !there:
			err = &domain.Error{Code: domain.NotFound, Path: "interaction", Message: "there is no video of this interaction"}
		case f.Get("sure") != "yes":
			err = &domain.Error{Code: domain.Invalid, Path: "sure", Message: "this cannot be taken back: tick the box to say that you mean it"}
		default:
			done = "The video was deleted."
			err = s.Videos.Delete(r.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: u.User}, media.Couple{Study: study, Code: couple}, v.Video, domain.VideoReplaced)
		}
	case "abandon":
		if up, e := s.Videos.Upload(f.Get("upload")); e == nil && up.Study == study && up.Couple == couple {
			done, err = "The upload was ended, and what had come of it is gone.", s.Videos.Abandon(up.ID)
		}
	default:
		s.noSuchStaffPage(w, r, u)
		return
	}
	s.answerVideos(w, r, u, study, couple, done, err)
}

// answerVideos shows the page anew after something was done, or was not.
func (s *server) answerVideos(w http.ResponseWriter, r *http.Request, u access.Staff, study, couple, done string, problem error) {
	past, err := s.Executor.Past(r.Context(), study, couple)
	if err != nil {
		s.failed(w, err)
		return
	}
	status := statusOf(problem)
	if problem != nil {
		if domain.CodeOf(problem) == domain.Internal {
			s.failed(w, problem)
			return
		}
		done = ""
	}
	s.showVideos(w, r, u, study, couple, past, status, done, problem)
}

// freeCode is a code that no interaction or clip of the couple has.
func freeCode(prefix string, past domain.Past) string {
	taken := map[string]bool{}
	for _, in := range past.Couple.Interactions() {
		taken[in.Interaction] = true
		for _, c := range in.Clips {
			taken[c.Clip] = true
		}
	}
	for n := 1; ; n++ {
		if code := prefix + strconv.Itoa(n); !taken[code] {
			return code
		}
	}
}

// patience is how long a transfer may stand still.
const patience = time.Minute

// patient lets a body take as long as it takes, as long as something comes.
type patient struct {
	io.Reader
	c *http.ResponseController
}

func (p patient) Read(b []byte) (int, error) {
	now := time.Now()
	if err := errors.Join(p.c.SetReadDeadline(now.Add(patience)), p.c.SetWriteDeadline(now.Add(2*patience))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.Reader.Read(b)
}

// receiveVideo takes in a video that a form sends at once, without script.
func (s *server) receiveVideo(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	couple, _, ok := s.pastOf(w, r, u, study)
	if !ok {
		return
	}
	r.Body = io.NopCloser(patient{http.MaxBytesReader(w, r.Body, s.Videos.MaxBytes+1<<20), http.NewResponseController(w)})
	form, err := r.MultipartReader()
	if err != nil {
		s.answerVideos(w, r, u, study, couple, "", &domain.Error{Code: domain.Invalid, Path: "file", Message: "no file came; choose one and send it"})
		return
	}
	up := media.Upload{Study: study, Couple: couple, User: u.User}
	for err == nil && up.ID == "" {
		var part *multipart.Part
		if part, err = form.NextPart(); err != nil {
			err = &domain.Error{Code: domain.Invalid, Path: "file", Message: "no file came; choose one and send it"}
			break
		}
		switch part.FormName() {
		case "interaction":
			text, e := io.ReadAll(io.LimitReader(part, 200))
			up.Interaction, err = string(text), e
		case "file":
			up, err = s.Videos.Receive(r.Context(), up, part)
		}
	}
	if err == nil {
		s.Videos.Work(up)
	}
	s.answerVideos(w, r, u, study, couple, "The file arrived and is being checked and converted. Look again in a while.", err)
}

// The pages of uploads speak tus 1.0 (https://tus.io/protocols/resumable-upload): creation, the offset, what follows it, and termination.
const tusVersion = "1.0.0"

// tus answers whoever speaks another version; true: go on.
func (s *server) tus(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Tus-Resumable", tusVersion)
	w.Header().Set("Tus-Version", tusVersion)
	if r.Header.Get("Tus-Resumable") != tusVersion {
		http.Error(w, "This page speaks the tus protocol in version "+tusVersion+".", http.StatusPreconditionFailed)
		return false
	}
	return true
}

// refuseUpload tells a script what is wrong, in a sentence to show.
func (s *server) refuseUpload(w http.ResponseWriter, err error) {
	if domain.CodeOf(err) == domain.Internal {
		s.failed(w, err)
		return
	}
	http.Error(w, strings.Join(mends(err), " "), statusOf(err))
}

// beginUpload opens an upload: Upload-Length says how large it is, Upload-Metadata which interaction it is of and its SHA-256.
func (s *server) beginUpload(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	couple, _, ok := s.pastOf(w, r, u, study)
	if !ok || !s.tus(w, r) {
		return
	}
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 {
		http.Error(w, "The header Upload-Length must say how large the file is.", http.StatusBadRequest)
		return
	}
	about, ok := tusMetadata(r.Header.Get("Upload-Metadata"))
	if !ok {
		http.Error(w, "The header Upload-Metadata cannot be read.", http.StatusBadRequest)
		return
	}
	if size > s.Videos.MaxBytes {
		w.Header().Set("Tus-Max-Size", strconv.FormatInt(s.Videos.MaxBytes, 10))
	}
	up, err := s.Videos.Begin(r.Context(), media.Upload{Study: study, Couple: couple, Interaction: about["interaction"], User: u.User, Size: size, SHA256: about["sha256"]})
	if err != nil {
		s.refuseUpload(w, err)
		return
	}
	w.Header().Set("Location", r.URL.Path+"/"+up.ID)
	w.WriteHeader(http.StatusCreated)
}

// tusMetadata reads pairs of a name and a value in base64.
func tusMetadata(text string) (map[string]string, bool) {
	about := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if name == "" {
			continue
		}
		plain, err := base64.StdEncoding.DecodeString(value)
		if _, twice := about[name]; err != nil || twice || len(plain) > 200 {
			return nil, false
		}
		about[name] = string(plain)
	}
	return about, true
}

// uploadOf finds the upload of a page, or answers that there is none.
func (s *server) uploadOf(w http.ResponseWriter, r *http.Request, u access.Staff, study string) (media.Upload, bool) {
	couple, _, ok := s.pastOf(w, r, u, study)
	if !ok || !s.tus(w, r) {
		return media.Upload{}, false
	}
	up, err := s.Videos.Upload(r.PathValue("upload"))
	if err == nil && (up.Study != study || up.Couple != couple) || domain.CodeOf(err) == domain.NotFound {
		s.noSuchStaffPage(w, r, u)
		return up, false
	}
	if err != nil {
		s.failed(w, err)
		return up, false
	}
	return up, true
}

// uploadOffset says how far an upload has come.
func (s *server) uploadOffset(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if up, ok := s.uploadOf(w, r, u, study); ok {
		w.Header().Set("Upload-Offset", strconv.FormatInt(up.Received, 10))
		w.Header().Set("Upload-Length", strconv.FormatInt(up.Size, 10))
	}
}

// appendUpload takes what follows.
func (s *server) appendUpload(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	up, ok := s.uploadOf(w, r, u, study)
	if !ok {
		return
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if kind := r.Header.Get("Content-Type"); kind != "application/offset+octet-stream" || err != nil {
		http.Error(w, "Expected Content-Type application/offset+octet-stream and an Upload-Offset.", http.StatusUnsupportedMediaType)
		return
	}
	n, err := s.Videos.Append(r.Context(), up.ID, offset, patient{r.Body, http.NewResponseController(w)})
	w.Header().Set("Upload-Offset", strconv.FormatInt(n, 10))
	if err != nil {
		s.refuseUpload(w, err)
		return
	}
	if up.Received = n; up.Complete() {
		s.Videos.Work(up)
	}
	w.WriteHeader(http.StatusNoContent)
}

// endUpload ends an upload.
func (s *server) endUpload(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	up, ok := s.uploadOf(w, r, u, study)
	if !ok {
		return
	}
	if err := s.Videos.Abandon(up.ID); err != nil {
		s.failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// grants let a session watch the video of one assignment for a moment, so that not every stretch of a video asks the log anew.
type grants struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]grant
}

type grant struct {
	study string
	clip  media.Clip
	until time.Time
}

// grantLife is how long after a submission, a withdrawal or another end a video can still be watched.
const grantLife = 30 * time.Second

func (g *grants) get(key [sha256.Size]byte, now time.Time) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	have, ok := g.of[key]
	return have, ok && now.Before(have.until)
}

func (g *grants) give(key [sha256.Size]byte, to grant, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[[sha256.Size]byte]grant{}
	}
	for k, old := range g.of {
		if !now.Before(old.until) {
			delete(g.of, k)
		}
	}
	g.of[key] = to
}

// stretch is how much of a video is sent at once, in bytes: what is under way when a grant ends.
const stretch = 4 << 20

// codeVideo sends the clip of an assignment, and nothing else of its recording, range by range, to its judge, while it is claimed and neither submitted nor ended. Nothing about it tells which video it
// is: the name is that of all, and there is no date and no tag.
func (s *server) codeVideo(w http.ResponseWriter, r *http.Request, u access.Staff) {
	if to := r.Header.Get("Sec-Fetch-Dest"); to != "" && to != "video" && to != "empty" { // opened by itself, or saved
		s.noSuchStaffPage(w, r, u)
		return
	}
	g, ok, err := s.mayWatch(r, u, r.PathValue("assignment"))
	if err != nil {
		s.failed(w, err)
		return
	}
	if !ok {
		s.noSuchStaffPage(w, r, u)
		return
	}
	video, err := s.Videos.OpenClip(g.clip)
	if domain.CodeOf(err) == domain.NotFound {
		s.noSuchStaffPage(w, r, u)
		return
	}
	if err != nil {
		s.failed(w, err)
		return
	}
	defer func() { _ = video.Close() }() // only read
	w.Header().Set("Content-Type", g.clip.Format())
	w.Header().Set("Content-Disposition", `inline; filename="clip"`)
	if at, ok := bounded(r.Header.Get("Range"), video.Size()); ok {
		r.Header.Set("Range", at)
	}
	http.ServeContent(w, r, "", time.Time{}, video)
}

// bounded shortens a single range of bytes that is open or long. A server may send less than was asked for, and players ask on.
func bounded(text string, size int64) (string, bool) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || len(first) > 15 || first == "" || !digits(first) || !digits(last) || len(last) > 15 {
		return "", false
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return "", false
	}
	to := size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from {
			return "", false
		}
	}
	return fmt.Sprintf("bytes=%d-%d", from, min(to, from+stretch-1)), true
}

// mayWatch decides by the log, or by a grant of a moment ago, whether a user may watch the video of an assignment.
func (s *server) mayWatch(r *http.Request, u access.Staff, assignment string) (grant, bool, error) {
	if s.Videos == nil || s.Recordings == nil {
		return grant{}, false, nil
	}
	now := s.Now()
	key := sha256.Sum256([]byte(s.Sessions.StaffSession(r.Context()) + "/" + assignment))
	if g, ok := s.grants.get(key, now); ok && u.Has(g.study, domain.ActorCoder) {
		return g, true, nil
	}
	at, ok, err := s.Recordings.Assignment(r.Context(), assignment)
	if err != nil || !ok || !u.Has(at.Study, domain.ActorCoder) {
		return grant{}, false, err
	}
	past, err := s.Executor.Past(r.Context(), at.Study, at.Couple)
	if err != nil || past.Couple == nil {
		return grant{}, false, err
	}
	a, ok := past.Couple.Assignment(assignment)
	judge := past.Study.Judges[a.Judge]
	if !ok || a.Judge != u.User || a.Claimed.IsZero() || !a.Submitted.IsZero() || a.Ended || judge.Retired || judge.Knows(at.Couple) {
		return grant{}, false, nil
	}
	clip, ok := media.ClipOf(past, media.Couple{Study: at.Study, Code: at.Couple}, a.Clip)
	if !ok {
		return grant{}, false, nil
	}
	g := grant{at.Study, clip, now.Add(grantLife)}
	s.grants.give(key, g, now)
	return g, true, nil
}
