package media

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"asem/domain"
)

// Tools are the programs that read and convert videos: ffprobe and ffmpeg.
type Tools struct{ ffprobe, ffmpeg string }

// FindTools looks for the programs where programs are.
func FindTools() Tools {
	var t Tools
	t.ffprobe, _ = exec.LookPath("ffprobe") // absence is an answer, see Err
	t.ffmpeg, _ = exec.LookPath("ffmpeg")
	return t
}

// Err says how to get the programs where they are not there.
func (t Tools) Err() error {
	if t.ffmpeg != "" && t.ffprobe != "" {
		return nil
	}
	return &domain.Error{Code: domain.Unavailable, Path: "ffmpeg", Message: "videos can neither be taken in nor cut into clips because ffmpeg is not installed on this server; whoever keeps it installs the package ffmpeg (Debian: apt-get install ffmpeg) and starts asem again"}
}

// Facts are what a video is.
type Facts struct {
	DurationMs       int // 0: the file does not say
	RateNum, RateDen int // frames per second
	Width, Height    int
	Codec            string // of the picture
	Sound            bool
}

func unfit(format string, args ...any) error {
	return &domain.Error{Code: domain.Invalid, Path: "file", Message: fmt.Sprintf(format, args...)}
}

// Sniff tells from the first bytes of a file which container it is, whatever its name: "mp4" (also QuickTime) or "webm" (also Matroska). Anything else is an error.
func Sniff(head []byte) (string, error) {
	switch {
	case len(head) >= 12 && string(head[4:8]) == "ftyp":
		return "mp4", nil
	case bytes.HasPrefix(head, []byte{0x1a, 0x45, 0xdf, 0xa3}):
		return "webm", nil
	case len(head) == 0:
		return "", unfit("the file is empty")
	}
	return "", unfit("the file is neither MP4 nor WebM, whatever its name says (it is %s); export the recording as MP4 (H.264)", kindOf(head))
}

// kindOf names what people take for a video.
func kindOf(head []byte) string {
	if len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "AVI " {
		return "AVI"
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if kind == "application/octet-stream" {
		return "of an unknown kind"
	}
	return kind
}

// demuxers are what ffmpeg may read a file as: by name, so that a file is never taken for a playlist, which would make ffmpeg fetch other things.
var demuxers = map[string]string{"mp4": "mov", "webm": "matroska"}

func demuxerFor(plain io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(size, 512))
	if _, err := plain.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read a video: %w", err)
	}
	kind, err := Sniff(head)
	return demuxers[kind], err
}

// Probe asks what a file is. Read comes from more than one goroutine.
func (t Tools) Probe(ctx context.Context, plain io.ReaderAt, size int64) (Facts, error) {
	if err := t.Err(); err != nil {
		return Facts{}, err
	}
	demuxer, err := demuxerFor(plain, size)
	if err != nil {
		return Facts{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var text []byte
	err = lend(ctx, plain, size, func(url string) error {
		var err error
		text, err = t.run(ctx, t.ffprobe, "-v", "error", "-protocol_whitelist", "http,tcp", "-f", demuxer, "-show_streams", "-show_format", "-of", "json", url)
		return err
	})
	if err != nil {
		return Facts{}, err
	}
	return factsOf(text)
}

// factsOf reads what ffprobe says.
func factsOf(text []byte) (Facts, error) {
	var said struct {
		Streams []struct {
			Type        string `json:"codec_type"`
			Codec       string `json:"codec_name"`
			Width       int    `json:"width"`
			Height      int    `json:"height"`
			Average     string `json:"avg_frame_rate"`
			Real        string `json:"r_frame_rate"`
			Duration    string `json:"duration"`
			Disposition struct {
				Picture int `json:"attached_pic"`
			} `json:"disposition"`
		} `json:"streams"`
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return Facts{}, fmt.Errorf("read what ffprobe says: %w", err)
	}
	var f Facts
	found := false
	for _, s := range said.Streams {
		f.Sound = f.Sound || s.Type == "audio"
		if s.Type != "video" || s.Disposition.Picture != 0 || found {
			continue
		}
		found = true
		f.Codec, f.Width, f.Height = s.Codec, s.Width, s.Height
		if f.RateNum, f.RateDen = fraction(s.Average); f.RateNum == 0 {
			f.RateNum, f.RateDen = fraction(s.Real)
		}
		f.DurationMs = milliseconds(s.Duration)
	}
	switch {
	case !found:
		return Facts{}, unfit("there is no picture in the file")
	case f.Codec == "" || f.Codec == "unknown" || f.Width <= 0 || f.Height <= 0:
		return Facts{}, unfit("the picture in the file is in a format (%s) that cannot be read; export the recording as MP4 (H.264)", firstOf(f.Codec, "unknown"))
	}
	if f.DurationMs == 0 {
		f.DurationMs = milliseconds(said.Format.Duration)
	}
	return f, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func fraction(text string) (num, den int) {
	a, b, ok := strings.Cut(text, "/")
	num, err := strconv.Atoi(a)
	den, e := strconv.Atoi(b)
	if !ok || err != nil || e != nil || num <= 0 || den <= 0 {
		return 0, 0
	}
	return num, den
}

func milliseconds(seconds string) int {
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil || !(f > 0) || f > 30*24*3600 {
		return 0
	}
	return int(f*1000 + 0.5)
}

// rates are the frame rates that videos get, in frames per second.
var rates = [][2]int{{24000, 1001}, {24, 1}, {25, 1}, {30000, 1001}, {30, 1}, {50, 1}, {60000, 1001}, {60, 1}}

// rateFor returns the usual frame rate that is nearest to that of a file.
func rateFor(num, den int) (int, int) {
	best := rates[2]
	if num > 0 && den > 0 {
		far := func(r [2]int) float64 {
			d := float64(r[0])/float64(r[1]) - float64(num)/float64(den)
			return max(d, -d)
		}
		for _, r := range rates {
			if far(r) < far(best) {
				best = r
			}
		}
	}
	return best[0], best[1]
}

// longest is how long a recording may be, in seconds. A small file can claim to be much longer than anybody talked, and would fill the disk.
const longest = 6 * 3600

// smallScratch is how many bytes a conversion may take that is kept in memory where the system has a folder for that.
const smallScratch = 256 << 20

// scratch makes a file without a name for what ffmpeg writes, which must jump about in it. It is gone with the last who has it open, also when this program is killed.
func scratch(dir string, size int64) (*os.File, error) {
	if memory := "/dev/shm"; size <= smallScratch {
		if info, err := os.Stat(memory); err == nil && info.IsDir() {
			if f, err := nameless(memory); err == nil {
				return f, nil
			}
		}
	}
	return nameless(dir)
}

func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return nil, fmt.Errorf("make room for a conversion: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make room for a conversion: %w", err), f.Close())
	}
	return f, nil
}

// Convert makes of a video what every browser plays, and hands it to use: MP4 with H.264 and AAC, its index in front, one picture in so many ms without exception, a
// key frame every second (so that a jump is quick and lands on the frame), at most 1280 x 720 and 2 Mbit/s. All come out alike: neither the camera, nor the day, nor
// anything that a device or program wrote into the file can be told from it. progress gets the share done, 0 to 1.
func (t Tools) Convert(ctx context.Context, plain io.ReaderAt, size int64, dir string, progress func(float64), use func(r *io.SectionReader, is Facts) error) error {
	was, err := t.Probe(ctx, plain, size)
	if err != nil {
		return err
	}
	if was.DurationMs > longest*1000 {
		return unfit("the recording lasts %s s; at most %d hours are taken", inSeconds(was.DurationMs), longest/3600)
	}
	num, den := rateFor(was.RateNum, was.RateDen)
	return t.make(ctx, plain, size, dir, rendering{picture: fmt.Sprintf("fps=%d/%d", num, den), sound: "anull", num: num, den: den, lastsMs: was.DurationMs, mostMs: longest * 1000, room: size}, progress, use)
}

// Cut makes of a stretch of a video, from a moment to before another, a file like those of Convert, and hands it to use. At t ms it shows and lets hear what the video,
// whose constant rate is num/den, does at fromMs + t. num and den stay.
func (t Tools) Cut(ctx context.Context, plain io.ReaderAt, size int64, dir string, fromMs, toMs, num, den int, use func(r *io.SectionReader, is Facts) error) error {
	if err := t.Err(); err != nil {
		return err
	}
	// The first picture is the one that is seen at fromMs, which may have come up to a frame before. It is looked for from half a frame before it on, where rounding does no harm.
	first := fromMs * num / (1000 * den)
	from := max(0, (float64(first)-0.5)*float64(den)/float64(num))
	early := float64(fromMs)/1000 - from
	return t.make(ctx, plain, size, dir, rendering{from: from, picture: fmt.Sprintf("setpts=N*%d/(%d*TB)", den, num), sound: fmt.Sprintf("atrim=start=%f,asetpts=PTS-%f/TB", early, early),
		num: num, den: den, lastsMs: toMs - fromMs, mostMs: toMs - fromMs, room: 300 * int64(toMs-fromMs)}, nil, use)
}

// rendering is how a video is made of another.
type rendering struct {
	from           float64 // where to begin, in seconds
	picture, sound string  // filters
	num, den       int     // frames per second
	lastsMs        int     // of what should come out; 0: nobody knows
	mostMs         int     // of what comes out
	room           int64   // how many bytes it may well take
}

// make makes a video and hands it to use.
func (t Tools) make(ctx context.Context, plain io.ReaderAt, size int64, dir string, how rendering, progress func(float64), use func(r *io.SectionReader, is Facts) error) (err error) {
	demuxer, err := demuxerFor(plain, size)
	if err != nil {
		return err
	}
	out, err := scratch(dir, how.room)
	if err != nil {
		return err
	}
	defer func() {
		if info, e := out.Stat(); e == nil {
			err = errors.Join(err, zero(out, info.Size()))
		}
		err = errors.Join(err, out.Close())
	}()
	rate := fmt.Sprintf("%d/%d", how.num, how.den)
	ctx, cancel := context.WithTimeout(ctx, 4*longest*time.Second)
	defer cancel()
	watch := &progressText{total: how.lastsMs, tell: progress}
	err = lend(ctx, plain, size, func(url string) error {
		args := []string{"-nostdin", "-v", "error", "-y", "-threads", "1", "-protocol_whitelist", "http,tcp", "-ss", decimal(how.from), "-f", demuxer, "-i", url,
			"-map", "0:v:0", "-map", "0:a:0?", "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact",
			"-vf", how.picture + ",scale=w='min(1280,iw)':h='min(720,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1,format=yuv420p",
			"-fps_mode", "cfr", "-r", rate,
			"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-crf", "23", "-maxrate", "2M", "-bufsize", "4M", "-bf", "0", "-g", strconv.Itoa((how.num + how.den - 1) / how.den), "-sc_threshold", "0",
			"-threads", "1", "-af", how.sound, "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000", "-movflags", "+faststart", "-t", decimal(float64(how.mostMs) / 1000), "-progress", "pipe:1", "-f", "mp4", "/dev/fd/3"}
		cmd := t.command(ctx, t.ffmpeg, args...)
		cmd.ExtraFiles, cmd.Stdout = []*os.File{out}, watch
		return finish(ctx, cmd)
	})
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err != nil {
		return fmt.Errorf("read a converted video: %w", err)
	}
	is, err := t.Probe(ctx, out, info.Size())
	if err != nil {
		return fmt.Errorf("read a converted video: %w", err)
	}
	if how.lastsMs > 0 && is.DurationMs < how.lastsMs-max(500, how.lastsMs/100) {
		return unfit("the file says that it lasts %s s, but its picture ends after %s s: it is cut short or damaged; copy it anew from the camera", inSeconds(how.lastsMs), inSeconds(is.DurationMs))
	}
	is.RateNum, is.RateDen = how.num, how.den
	return use(io.NewSectionReader(out, 0, info.Size()), is)
}

func decimal(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 6, 64) }

func inSeconds(ms int) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 1, 64) }

// command makes a command that is told nothing of this program's surroundings and does not push aside those who are served.
func (t Tools) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	name := program
	if nice, err := exec.LookPath("nice"); err == nil {
		name, args = nice, append([]string{"-n", "10", program}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the programs of FindTools, with arguments of ours
	cmd.Env, cmd.WaitDelay = []string{"LC_ALL=C"}, 10*time.Second
	return cmd
}

// run returns what a program prints.
func (t Tools) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := t.command(ctx, program, args...)
	var b bytes.Buffer
	cmd.Stdout = &b
	err := finish(ctx, cmd)
	return b.Bytes(), err
}

// finish runs a command. That it cannot make sense of a file is the file's fault, in words that do not come from the file.
func finish(ctx context.Context, cmd *exec.Cmd) error {
	said := &tail{}
	cmd.Stderr = said
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &domain.Error{Code: domain.Invalid, Path: "file", Err: fmt.Errorf("%w: %s", err, said.b),
			Message: "the file cannot be read as a video: it is damaged, cut short, or in a format that cannot be played; copy it anew from the camera, or export it as MP4 (H.264)"}
	case err != nil:
		return fmt.Errorf("start ffmpeg: %w", err)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-2000):]
	return len(p), nil
}

// progressText reads what ffmpeg says of its progress.
type progressText struct {
	total int
	tell  func(float64)
	line  []byte
}

func (p *progressText) Write(b []byte) (int, error) {
	p.line = append(p.line, b...)
	for {
		line, rest, ok := bytes.Cut(p.line, []byte("\n"))
		if !ok {
			p.line = p.line[max(0, len(p.line)-1000):]
			return len(b), nil
		}
		p.line = rest
		if us, is := strings.CutPrefix(strings.TrimSpace(string(line)), "out_time_us="); is && p.total > 0 && p.tell != nil {
			if n, err := strconv.ParseInt(us, 10, 64); err == nil {
				p.tell(min(1, max(0, float64(n)/1000/float64(p.total))))
			}
		}
	}
}

// lend lets a program of this machine read bytes, from wherever it wants, while do runs, under an address that nobody can guess. So nothing plain has to be written to a disk.
func lend(ctx context.Context, plain io.ReaderAt, size int64, do func(url string) error) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("lend a video to ffmpeg: %w", err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	path := "/" + hex.EncodeToString(secret)
	var failed error
	ended := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(plain, 0, size))
	})}
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed = err
		}
	}()
	err = do("http://" + l.Addr().String() + path)
	err = errors.Join(err, server.Close())
	<-ended
	return errors.Join(err, failed)
}
