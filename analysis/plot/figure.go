package plot

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Labels are the words of a figure.
type Labels struct {
	Title string // what is to be seen
	Note  string // a second, smaller line: the sample, what a band is; may be empty
	X, Y  string // what the axes show, with its unit
}

// Series is a line over x with an optional band.
type Series struct {
	Name         string
	X, Y         []float64 // same length; x ascending
	Lower, Upper []float64 // of the band; nil: none
}

// Figure is a drawing that has not been written yet.
type Figure struct {
	labels        Labels
	plot          *plot.Plot
	width, height vg.Length
}

// Formats are what Write can write.
func Formats() []string { return []string{"svg", "png"} }

// Write writes the figure in one of the Formats. PNG has 192 dots an inch.
func (f *Figure) Write(w io.Writer, format string) error {
	switch format {
	case "svg":
		c := vgsvg.New(f.width, f.height)
		f.draw(draw.New(c))
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil {
			return err
		}
		_, err := w.Write(f.named(b.Bytes()))
		return err
	case "png":
		c := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(192))
		f.draw(draw.New(c))
		_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
		return err
	}
	return fmt.Errorf("cannot write a figure as %q; expected svg or png", format)
}

// named gives an SVG its title for those who cannot see it, and families of fonts for computers without the one that was measured.
func (f *Figure) named(svg []byte) []byte {
	if at := bytes.Index(svg, []byte("<svg ")); at >= 0 {
		end := at + bytes.IndexByte(svg[at:], '>')
		name := html.EscapeString(f.labels.Title)
		if f.labels.Note != "" {
			name += ". " + html.EscapeString(f.labels.Note)
		}
		svg = slices.Concat(svg[:end], []byte(` role="img">`+"\n<title>"+name+"</title>"), svg[end+1:])
	}
	svg = bytes.Map(func(r rune) rune { // XML has no way to write these
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return 0xfffd
		}
		return r
	}, svg)
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
}

// Ink of everything that is not data.
var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	quiet = color.NRGBA{0x5f, 0x5f, 0x5f, 0xff}
	faint = color.NRGBA{0xe4, 0xe4, 0xe4, 0xff}
)

// style is how one series looks.
type style struct {
	color color.NRGBA
	dash  []vg.Length
	glyph draw.GlyphDrawer
}

// styles go from dark to light, after the colours of Okabe and Ito.
var styles = []style{
	{color.NRGBA{0x00, 0x3b, 0x6f, 0xff}, nil, draw.CircleGlyph{}},
	{color.NRGBA{0xc2, 0x4e, 0x00, 0xff}, []vg.Length{vg.Points(6), vg.Points(3)}, draw.BoxGlyph{}},
	{color.NRGBA{0x00, 0x8a, 0x66, 0xff}, []vg.Length{vg.Points(2), vg.Points(2)}, draw.PyramidGlyph{}},
	{color.NRGBA{0xe0, 0x9a, 0x00, 0xff}, []vg.Length{vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}, draw.RingGlyph{}},
	{color.NRGBA{0x4f, 0xa3, 0xd8, 0xff}, []vg.Length{vg.Points(4), vg.Points(1.5)}, draw.SquareGlyph{}},
	{color.NRGBA{0xa8, 0x5f, 0x8d, 0xff}, []vg.Length{vg.Points(1), vg.Points(3)}, draw.CrossGlyph{}},
}

func styleOf(i int) style { return styles[i%len(styles)] }

func letters(size vg.Length, c color.Color, bold bool) text.Style {
	s := text.Style{Color: c, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}, Handler: plot.DefaultTextHandler}
	if bold {
		s.Font.Weight = 3 // bold, as golang.org/x/image/font counts
	}
	return s
}

// centred is a text style whose figures and small letters stand in the middle of a line at y + lift.
func centred(s text.Style) (centred text.Style, lift vg.Length) {
	s.YAlign = draw.YCenter
	return s, s.Font.Size * 0.13
}

// widen adds some room to a range.
func widen(a *plot.Axis) {
	room := (a.Max - a.Min) * 0.04
	a.Min, a.Max = a.Min-room, a.Max+room
}

const margin = 12 * vg.Length(1) // points

// newFigure returns an empty figure in the house's style.
func newFigure(l Labels, width, height vg.Length) *Figure {
	p := plot.New()
	p.BackgroundColor = color.White
	p.X.Label.Text, p.Y.Label.Text = l.X, l.Y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle = keepAlign(a.Label.TextStyle, letters(10.5, ink, false))
		a.Tick.Label = keepAlign(a.Tick.Label, letters(9.5, quiet, false))
		a.LineStyle.Color, a.Tick.LineStyle.Color = quiet, quiet
		a.LineStyle.Width, a.Tick.LineStyle.Width = 0.6, 0.6
		a.Tick.Length = 4
		a.Label.Padding = 6
		a.Padding = 4
		a.Tick.Marker = ticks{}
	}
	return &Figure{l, p, width, height}
}

func keepAlign(was, now text.Style) text.Style {
	now.XAlign, now.YAlign, now.Rotation = was.XAlign, was.YAlign, was.Rotation
	return now
}

// draw puts title and note above the plot, from the left.
func (f *Figure) draw(c draw.Canvas) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	top := c.Max.Y
	for _, line := range []struct {
		text  string
		style text.Style
	}{{f.labels.Title, letters(13, ink, true)}, {f.labels.Note, letters(9.5, quiet, false)}} {
		if line.text == "" {
			continue
		}
		line.style.YAlign = draw.YTop
		for _, s := range wrapped(line.text, line.style, c.Max.X-c.Min.X) {
			c.FillText(line.style, vg.Point{X: c.Min.X, Y: top}, s)
			top -= line.style.Font.Size * 1.35
		}
	}
	f.plot.Draw(draw.Crop(c, 0, 0, 0, top-8-c.Max.Y))
}

// wrapped breaks a text into lines that fit.
func wrapped(s string, st text.Style, width vg.Length) []string {
	var lines []string
	line := ""
	for _, word := range bytes.Fields([]byte(s)) {
		longer := string(word)
		if line != "" {
			longer = line + " " + longer
		}
		if line != "" && st.Width(longer) > width {
			lines, longer = append(lines, line), string(word)
		}
		line = longer
	}
	return append(lines, line)
}

// ticks are five or so round numbers, none of them minor.
type ticks struct{}

func (ticks) Ticks(low, high float64) []plot.Tick {
	span := high - low
	if !(span > 0) || math.IsInf(span, 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(span/5)))
	for _, k := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if span/step > 6.5 {
			step *= k
		}
	}
	digits := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	if math.Abs(step*math.Pow(10, float64(digits))-math.Round(step*math.Pow(10, float64(digits)))) > 1e-9 {
		digits++
	}
	var out []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*span; i++ {
		out = append(out, plot.Tick{Value: i * step, Label: signed(fmt.Sprintf("%.*f", digits, i*step+0))})
	}
	return out
}

// signed writes a true minus, and zero as 0.
func signed(s string) string {
	if len(s) > 0 && s[0] == '-' {
		s = "−" + s[1:]
	}
	if !bytes.ContainsAny([]byte(s), "123456789") {
		return "0"
	}
	return s
}

// check refuses series that cannot be drawn.
func check(series []Series) error {
	if len(series) == 0 {
		return fmt.Errorf("there is nothing to draw")
	}
	for _, s := range series {
		if len(s.X) == 0 || len(s.X) != len(s.Y) || s.Lower != nil && (len(s.Lower) != len(s.X) || len(s.Upper) != len(s.X)) {
			return fmt.Errorf("series %q has %d, %d, %d and %d numbers; expected as many of each, one at least", s.Name, len(s.X), len(s.Y), len(s.Lower), len(s.Upper))
		}
		for _, list := range [][]float64{s.X, s.Y, s.Lower, s.Upper} {
			if err := finite(s.Name, list...); err != nil {
				return err
			}
		}
		if !slices.IsSorted(s.X) {
			return fmt.Errorf("series %q does not go from left to right", s.Name)
		}
	}
	return nil
}

func finite(name string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > 1e100 {
			return fmt.Errorf("%q holds %v; expected finite numbers", name, v)
		}
	}
	return nil
}
