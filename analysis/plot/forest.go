package plot

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Interval is a row of a forest plot: an estimate with its confidence interval.
type Interval struct {
	Name     string // what it is an effect of, and whose
	Kind     string // rows of one kind look alike: actor, partner
	Estimate float64
	Lower    float64 // -Inf where there is none
	Upper    float64
}

// Forest draws estimates with their intervals, the first row on top, beside a line at zero and their figures.
func Forest(l Labels, rows []Interval) (*Figure, error) {
	if len(rows) == 0 {
		return nil, fmt.Errorf("there is nothing to draw")
	}
	kinds := []string{}
	for _, r := range rows {
		if err := finite(r.Name, r.Estimate); err != nil {
			return nil, err
		}
		if !(r.Lower <= r.Estimate && r.Estimate <= r.Upper) {
			return nil, fmt.Errorf("%q has the interval %v to %v around %v", r.Name, r.Lower, r.Upper, r.Estimate)
		}
		if !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
	}
	f := newFigure(l, 520, vg.Length(118+20*len(rows)))
	n := float64(len(rows))
	var at plot.ConstantTicks
	for i, r := range rows {
		at = append(at, plot.Tick{Value: n - float64(i), Label: r.Name})
	}
	f.plot.Add(forest{rows, kinds})
	f.plot.Y.Tick.Marker, f.plot.Y.Tick.Length = at, 0
	f.plot.Y.Tick.Label.Color, f.plot.Y.Tick.Label.Font.Size = ink, 10
	f.plot.Y.LineStyle.Width = 0
	widen(&f.plot.X)
	f.plot.Y.Min, f.plot.Y.Max = 0.4, n+0.6
	if len(kinds) > 1 {
		f.plot.Y.Max = n + 1.4 // for the key
	}
	return f, nil
}

type forest struct {
	rows  []Interval
	kinds []string
}

func (t forest) style(kind string) style { return styleOf(slices.Index(t.kinds, kind)) }

// digits is how many decimals tell the narrowest interval, or the smallest estimate, in two figures.
func (t forest) digits() int {
	digits := 2
	for _, r := range t.rows {
		if v := r.Upper - r.Lower; v > 0 && v < 1 {
			digits = max(digits, min(8, 1-int(math.Floor(math.Log10(v)))))
		}
	}
	return digits
}

func (t forest) figures(r Interval) string {
	number := func(x float64) string { return signed(fmt.Sprintf("%.*f", t.digits(), x)) }
	return fmt.Sprintf("%s  [%s, %s]", number(r.Estimate), number(r.Lower), number(r.Upper))
}

// Plot implements plot.Plotter.
func (t forest) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	n := float64(len(t.rows))
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.6}, x(tick.Value), c.Min.Y, x(tick.Value), y(n+0.6))
	}
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8}, x(0), c.Min.Y, x(0), y(n+0.6))
	figures, lift := centred(letters(9, quiet, false))
	for i, r := range t.rows {
		s, h := t.style(r.Kind), y(n-float64(i))
		low, high := max(x(r.Lower), c.Min.X), min(x(r.Upper), c.Max.X)
		if math.IsInf(r.Lower, -1) {
			low = c.Min.X
		}
		if math.IsInf(r.Upper, 1) {
			high = c.Max.X
		}
		c.StrokeLine2(draw.LineStyle{Color: s.color, Width: 1.6}, low, h, high, h)
		c.DrawGlyph(draw.GlyphStyle{Color: s.color, Radius: 3.6, Shape: s.glyph}, vg.Point{X: x(r.Estimate), Y: h})
		c.FillText(figures, vg.Point{X: c.Max.X + 14, Y: h + lift}, t.figures(r))
	}
	if len(t.kinds) < 2 {
		return
	}
	at := c.Min.X
	for _, k := range t.kinds {
		s := t.style(k)
		key, lift := centred(letters(9.5, s.color, true))
		c.DrawGlyph(draw.GlyphStyle{Color: s.color, Radius: 3.6, Shape: s.glyph}, vg.Point{X: at + 4, Y: y(n + 1.1)})
		c.FillText(key, vg.Point{X: at + 12, Y: y(n+1.1) + lift}, k)
		at += 30 + key.Width(k)
	}
}

// DataRange implements plot.DataRanger. Zero is always to be seen.
func (t forest) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, r := range t.rows {
		for _, v := range []float64{r.Lower, r.Estimate, r.Upper} {
			if !math.IsInf(v, 0) {
				xmin, xmax = math.Min(xmin, v), math.Max(xmax, v)
			}
		}
	}
	return xmin, xmax, 0.4, float64(len(t.rows)) + 0.6
}

// GlyphBoxes implements plot.GlyphBoxer: it makes room for the figures on the right.
func (t forest) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	widest := vg.Length(0)
	for _, r := range t.rows {
		widest = max(widest, letters(9, quiet, false).Width(t.figures(r)))
	}
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: widest + 16}}}}
}
