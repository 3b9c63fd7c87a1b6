package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// PowerCurve draws power over the number of couples, a line for each effect with the band of its Monte-Carlo error, and the target power if that is not 0.
func PowerCurve(l Labels, series []Series, target float64) (*Figure, error) {
	if err := check(series); err != nil {
		return nil, err
	}
	f := newFigure(l, 480, 320)
	f.plot.Y.Min, f.plot.Y.Max = 0, 1
	f.plot.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 0.2, Label: "0.2"}, {Value: 0.4, Label: "0.4"}, {Value: 0.6, Label: "0.6"}, {Value: 0.8, Label: "0.8"}, {Value: 1, Label: "1"}}
	f.plot.Add(across{at: []float64{0.2, 0.4, 0.6, 0.8, 1}})
	if target > 0 {
		f.plot.Add(rule{y: target, name: fmt.Sprintf("target %g", target)})
	}
	f.lines(series)
	f.plot.Y.Min, f.plot.Y.Max = 0, 1
	return f, nil
}

// Trajectories draws the expected course of an outcome, a line for each role with its confidence band.
func Trajectories(l Labels, series []Series) (*Figure, error) {
	if err := check(series); err != nil {
		return nil, err
	}
	f := newFigure(l, 480, 320)
	f.plot.Add(across{})
	f.lines(series)
	widen(&f.plot.Y)
	return f, nil
}

// lines adds bands, lines, points and names at their right ends.
func (f *Figure) lines(series []Series) {
	for i, s := range series {
		f.plot.Add(band{s, styleOf(i)})
	}
	for i, s := range series {
		f.plot.Add(line{s, styleOf(i)})
	}
	ends := names{series: series}
	f.plot.Add(ends)
	for i, s := range series { // long names make the figure wider, not the plot narrower
		st, _ := ends.style(i)
		f.width = max(f.width, 370+st.Width(s.Name))
	}
	if f.plot.X.Min == f.plot.X.Max {
		f.plot.X.Min, f.plot.X.Max = f.plot.X.Min-1, f.plot.X.Max+1
	}
}

// Chart is what a control chart shows.
type Chart struct {
	X, Y         []float64 // one value for each period
	Centre       float64
	Lower, Upper []float64 // limits of each period
}

// ControlChart draws values over time against limits; those beyond them are marked. (Shewhart's chart; limits are the caller's.)
func ControlChart(l Labels, c Chart) (*Figure, error) {
	s := Series{Name: "values", X: c.X, Y: c.Y, Lower: c.Lower, Upper: c.Upper}
	if len(c.Lower) != len(c.Y) || len(c.Upper) != len(c.Y) {
		return nil, fmt.Errorf("a control chart needs limits for each of its %d values; it has %d lower and %d upper ones", len(c.Y), len(c.Lower), len(c.Upper))
	}
	if err := check([]Series{s}); err != nil {
		return nil, err
	}
	if err := finite("centre", c.Centre); err != nil {
		return nil, err
	}
	f := newFigure(l, 480, 320)
	limits := style{color: color.NRGBA{0x5f, 0x5f, 0x5f, 0xff}, dash: []vg.Length{4, 3}}
	last := len(c.X) - 1
	f.plot.Add(across{}, rule{y: c.Centre}, line{Series{X: c.X, Y: c.Lower}, limits}, line{Series{X: c.X, Y: c.Upper}, limits},
		line{Series{X: c.X, Y: c.Y}, style{color: styles[0].color}})
	in, out := Series{}, Series{}
	for i, y := range c.Y {
		to := &in
		if y < c.Lower[i] || y > c.Upper[i] {
			to = &out
		}
		to.X, to.Y = append(to.X, c.X[i]), append(to.Y, y)
	}
	f.plot.Add(dots{in, draw.GlyphStyle{Color: styles[0].color, Radius: 3, Shape: draw.CircleGlyph{}}})
	f.plot.Add(dots{out, draw.GlyphStyle{Color: styles[1].color, Radius: 4.5, Shape: draw.BoxGlyph{}}})
	ends := []Series{{Name: "upper limit", X: c.X[last:], Y: c.Upper[last:]}, {Name: "centre", X: c.X[last:], Y: []float64{c.Centre}}, {Name: "lower limit", X: c.X[last:], Y: c.Lower[last:]}}
	f.plot.Add(names{series: ends, plain: true})
	widen(&f.plot.Y)
	if last == 0 {
		f.plot.X.Min, f.plot.X.Max = c.X[0]-1, c.X[0]+1
	}
	return f, nil
}

// band fills between Lower and Upper.
type band struct {
	Series
	style
}

// Plot implements plot.Plotter.
func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	if len(b.Lower) < 2 {
		return
	}
	x, y := p.Transforms(&c)
	var outline []vg.Point
	for i := range b.X {
		outline = append(outline, vg.Point{X: x(b.X[i]), Y: y(b.Upper[i])})
	}
	for i := len(b.X) - 1; i >= 0; i-- {
		outline = append(outline, vg.Point{X: x(b.X[i]), Y: y(b.Lower[i])})
	}
	col := b.color
	col.A = 0x2c
	c.FillPolygon(col, c.ClipPolygonXY(outline))
}

// DataRange implements plot.DataRanger.
func (b band) DataRange() (xmin, xmax, ymin, ymax float64) {
	if len(b.Lower) == 0 {
		return line(b).DataRange()
	}
	return b.X[0], b.X[len(b.X)-1], slices.Min(b.Lower), slices.Max(b.Upper)
}

// line joins points, and marks them where there are few.
type line struct {
	Series
	style
}

const fewPoints = 12

// Plot implements plot.Plotter.
func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var at []vg.Point
	for i := range l.X {
		at = append(at, vg.Point{X: x(l.X[i]), Y: y(l.Y[i])})
	}
	width := vg.Length(1.6)
	if l.glyph == nil && l.dash != nil {
		width = 1 // of limits
	}
	c.StrokeLines(draw.LineStyle{Color: l.color, Width: width, Dashes: l.dash}, c.ClipLinesXY(at)...)
	if l.glyph == nil || len(at) > fewPoints {
		return
	}
	for _, pt := range at {
		c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: 2.8, Shape: l.glyph}, pt)
	}
}

// DataRange implements plot.DataRanger.
func (l line) DataRange() (xmin, xmax, ymin, ymax float64) {
	return l.X[0], l.X[len(l.X)-1], slices.Min(l.Y), slices.Max(l.Y)
}

// dots are points alone.
type dots struct {
	Series
	glyph draw.GlyphStyle
}

// Plot implements plot.Plotter.
func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i := range d.X {
		c.DrawGlyph(d.glyph, vg.Point{X: x(d.X[i]), Y: y(d.Y[i])})
	}
}

// across draws faint lines at the ticks of y, or at given values.
type across struct{ at []float64 }

// Plot implements plot.Plotter.
func (a across) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	at := a.at
	if at == nil {
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			at = append(at, t.Value)
		}
	}
	for _, v := range at {
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.6}, c.Min.X, y(v), c.Max.X, y(v))
	}
}

// rule is a named horizontal line.
type rule struct {
	y    float64
	name string
}

// Plot implements plot.Plotter.
func (r rule) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8, Dashes: []vg.Length{3, 3}}, c.Min.X, y(r.y), c.Max.X, y(r.y))
	st := letters(9, quiet, false)
	c.FillText(st, vg.Point{X: c.Max.X - 4 - st.Width(r.name), Y: y(r.y) - st.Font.Size - 1}, r.name) // low on the right, where power is high
}

// DataRange implements plot.DataRanger.
func (r rule) DataRange() (xmin, xmax, ymin, ymax float64) {
	return math.Inf(1), math.Inf(-1), r.y, r.y
}

// names writes the names of series beside their right ends, apart from each other.
type names struct {
	series []Series
	plain  bool // in quiet ink
}

func (n names) style(i int) (st draw.TextStyle, lift vg.Length) {
	if n.plain {
		return centred(letters(9.5, quiet, false))
	}
	return centred(letters(9.5, styleOf(i).color, true))
}

// Plot implements plot.Plotter.
func (n names) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	type label struct {
		i  int
		at vg.Point
	}
	var list []label
	for i, s := range n.series {
		last := len(s.X) - 1
		list = append(list, label{i, vg.Point{X: x(s.X[last]) + 8, Y: y(s.Y[last])}})
	}
	slices.SortStableFunc(list, func(a, b label) int { return int(math.Copysign(1, float64(a.at.Y-b.at.Y))) })
	const apart = vg.Length(11.5)
	for range 200 { // neighbours push each other away
		moved := false
		for k := 1; k < len(list); k++ {
			if gap := list[k].at.Y - list[k-1].at.Y; gap < apart-0.01 {
				list[k-1].at.Y -= (apart - gap) / 2
				list[k].at.Y += (apart - gap) / 2
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	ceiling := c.Max.Y // and none stands above the plot
	for k := len(list) - 1; k >= 0; k-- {
		list[k].at.Y = min(list[k].at.Y, ceiling)
		ceiling = list[k].at.Y - apart
	}
	for _, l := range list {
		st, lift := n.style(l.i)
		c.FillText(st, l.at.Add(vg.Point{Y: lift}), n.series[l.i].Name)
	}
}

// GlyphBoxes implements plot.GlyphBoxer: it makes room on the right.
func (n names) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	var list []plot.GlyphBox
	for i, s := range n.series {
		last := len(s.X) - 1
		st, _ := n.style(i)
		list = append(list, plot.GlyphBox{X: p.X.Norm(s.X[last]), Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: 10 + st.Width(s.Name)}}})
	}
	return list
}
