package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/plot"
)

var update = flag.Bool("update", false, "write the golden figures anew")

func figures(t testing.TB) map[string]*plot.Figure {
	must := func(f *plot.Figure, err error) *plot.Figure {
		require.NoError(t, err)
		return f
	}
	n := []float64{60, 120, 200, 350, 500}
	months := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	course := func(level, slope, width float64) plot.Series {
		s := plot.Series{X: months}
		for _, m := range months {
			y, half := level+slope*m, width*(1+math.Abs(m-6)/8)
			s.Y, s.Lower, s.Upper = append(s.Y, y), append(s.Lower, y-half), append(s.Upper, y+half)
		}
		return s
	}
	woman, man := course(3.6, -0.045, 0.07), course(3.5, -0.01, 0.08)
	woman.Name, man.Name = "woman", "man"
	week := plot.Chart{Centre: 0.05}
	for i, y := range []float64{0.1, -0.05, 0.2, 0.12, -0.1, 0.02, 0.15, 0.31, 0.5, 0.62, 0.3, 0.1} {
		half := 0.45 / math.Sqrt(1+float64(i%3))
		week.X, week.Y = append(week.X, float64(i+1)), append(week.Y, y)
		week.Lower, week.Upper = append(week.Lower, 0.05-half), append(week.Upper, 0.05+half)
	}
	return map[string]*plot.Figure{
		"power": must(plot.PowerCurve(plot.Labels{Title: "Power to find the effects of coded responsiveness", Note: "Dyadic growth, 3 waves over 8 months, 25 % dropout; two-sided, alpha 0.05. Bands: 95 % Monte-Carlo intervals of 1,000 studies.",
			X: "couples", Y: "power"}, []plot.Series{
			{Name: "partner, woman", X: n, Y: []float64{0.38, 0.65, 0.85, 0.97, 1}, Lower: []float64{0.35, 0.62, 0.83, 0.96, 0.99}, Upper: []float64{0.41, 0.68, 0.87, 0.98, 1}},
			{Name: "partner, man", X: n, Y: []float64{0.37, 0.66, 0.86, 0.98, 1}, Lower: []float64{0.34, 0.63, 0.84, 0.97, 0.99}, Upper: []float64{0.4, 0.69, 0.88, 0.99, 1}},
			{Name: "actor, woman", X: n, Y: []float64{0.14, 0.2, 0.32, 0.51, 0.66}, Lower: []float64{0.12, 0.18, 0.29, 0.48, 0.63}, Upper: []float64{0.16, 0.22, 0.35, 0.54, 0.69}},
		}, 0.8)),
		"forest": must(plot.Forest(plot.Labels{Title: "Actor and partner effects on change of avoidance", Note: "120 couples; estimates with 95 % intervals", X: "points a month for a point of responsiveness"}, []plot.Interval{
			{"responsiveness, man", "actor", -0.0071, -0.0174, 0.0031}, {"responsiveness, woman", "actor", -0.012, -0.025, 0.001},
			{"responsiveness, man", "partner", -0.0402, -0.0568, -0.0236}, {"responsiveness, woman", "partner", -0.0352, -0.0489, -0.0215},
		})),
		"trajectories": must(plot.Trajectories(plot.Labels{Title: "Expected avoidance over a year", Note: "Bands: 95 % confidence", X: "months since the first wave", Y: "avoidance (1 to 7)"}, []plot.Series{man, woman})),
		"drift":        must(plot.ControlChart(plot.Labels{Title: "Judge 3 against the mean of the judges", Note: "Mean deviation a week; limits at three standard errors", X: "week of coding", Y: "deviation (points)"}, week)),
	}
}

// The figures are those that were looked at.
func TestGolden(t *testing.T) {
	for name, f := range figures(t) {
		var b bytes.Buffer
		require.NoError(t, f.Write(&b, "svg"), name)
		path := filepath.Join("testdata", name+".svg")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err, name)
		assert.Equal(t, string(want), b.String(), name)
	}
	if dir := os.Getenv("ASEM_FIGURES"); dir != "" { // to look at
		for name, f := range figures(t) {
			w, err := os.Create(filepath.Join(dir, name+".png"))
			require.NoError(t, err)
			require.NoError(t, f.Write(w, "png"))
			require.NoError(t, w.Close())
		}
	}
}

// texts returns the text elements of an SVG, and its title.
func texts(t testing.TB, svg []byte) (words []string, title string) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	in := ""
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return words, title
		}
		require.NoError(t, err)
		switch e := tok.(type) {
		case xml.StartElement:
			in = e.Name.Local
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch in {
			case "text":
				words = append(words, strings.TrimSpace(string(e)))
			case "title":
				title += string(e)
			}
		}
	}
}

// Words stay words, whatever characters they have.
func TestTextIsText(t *testing.T) {
	f, err := plot.PowerCurve(plot.Labels{Title: `Power of <a> & "b"`, Note: "über alle", X: "couples", Y: "power"}, []plot.Series{{Name: "x < y", X: []float64{1, 2}, Y: []float64{0.2, 0.9}}}, 0.8)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, f.Write(&b, "svg"))
	words, title := texts(t, b.Bytes())
	for _, want := range []string{`Power of <a> & "b"`, "über alle", "couples", "power", "x < y", "target 0.8"} {
		assert.Contains(t, words, want)
	}
	assert.Equal(t, `Power of <a> & "b". über alle`, title)
	assert.Contains(t, b.String(), `role="img"`)
	assert.NotContains(t, b.String(), "font-family:Liberation Sans;")
}

func TestPNG(t *testing.T) {
	for name, f := range figures(t) {
		var b bytes.Buffer
		require.NoError(t, f.Write(&b, "png"), name)
		img, err := png.Decode(&b)
		require.NoError(t, err, name)
		assert.Greater(t, img.Bounds().Dx(), 1000, name)
		assert.Error(t, f.Write(&b, "gif"))
	}
}

func TestRefused(t *testing.T) {
	bad := []plot.Series{
		{Name: "empty"}, {Name: "short", X: []float64{1, 2}, Y: []float64{1}}, {Name: "no number", X: []float64{1}, Y: []float64{math.NaN()}},
		{Name: "endless", X: []float64{1}, Y: []float64{math.Inf(1)}}, {Name: "backwards", X: []float64{2, 1}, Y: []float64{1, 1}}, {Name: "half a band", X: []float64{1}, Y: []float64{1}, Lower: []float64{1}},
	}
	for _, s := range bad {
		_, err := plot.PowerCurve(plot.Labels{}, []plot.Series{s}, 0)
		assert.ErrorContains(t, err, s.Name)
		_, err = plot.Trajectories(plot.Labels{}, []plot.Series{s})
		assert.ErrorContains(t, err, s.Name)
	}
	_, err := plot.Trajectories(plot.Labels{}, nil)
	assert.Error(t, err)
	_, err = plot.Forest(plot.Labels{}, nil)
	assert.Error(t, err)
	_, err = plot.Forest(plot.Labels{}, []plot.Interval{{"a", "actor", 2, 3, 4}})
	assert.ErrorContains(t, err, "has the interval 3 to 4 around 2")
	_, err = plot.ControlChart(plot.Labels{}, plot.Chart{X: []float64{1}, Y: []float64{1}})
	assert.ErrorContains(t, err, "needs limits")
}

// Whatever finite numbers come, the figure is drawn, and its SVG is XML.
func TestAnyNumbers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(r, "n")
		scale := math.Pow(10, float64(rapid.IntRange(-12, 12).Draw(r, "scale")))
		number := func(name string) float64 { return scale * float64(rapid.IntRange(-1000, 1000).Draw(r, name)) }
		s := plot.Series{Name: rapid.StringN(0, 12, 40).Draw(r, "name")}
		var rows []plot.Interval
		for i := range n {
			y, half := number("y"), math.Abs(number("half"))
			s.X, s.Y, s.Lower, s.Upper = append(s.X, float64(i)*scale), append(s.Y, y), append(s.Lower, y-half), append(s.Upper, y+half)
			rows = append(rows, plot.Interval{Name: s.Name, Kind: "actor", Estimate: y, Lower: y - half, Upper: math.Inf(1)})
		}
		l := plot.Labels{Title: s.Name, X: "x", Y: "y"}
		for _, make := range []func() (*plot.Figure, error){
			func() (*plot.Figure, error) { return plot.Trajectories(l, []plot.Series{s, s}) },
			func() (*plot.Figure, error) { return plot.Forest(l, rows) },
			func() (*plot.Figure, error) {
				return plot.ControlChart(l, plot.Chart{X: s.X, Y: s.Y, Centre: s.Y[0], Lower: s.Lower, Upper: s.Upper})
			},
		} {
			f, err := make()
			require.NoError(r, err)
			var b bytes.Buffer
			require.NoError(r, f.Write(&b, "svg"))
			require.NoError(r, xml.Unmarshal(b.Bytes(), new(struct{})))
		}
	})
}
