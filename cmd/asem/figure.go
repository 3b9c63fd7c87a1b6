package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"asem/analysis/frame"
	"asem/analysis/plot"
	"asem/domain"
)

// figureName refuses names of files that tell no format that figures have. An empty one asks for no figure.
func figureName(path string) error {
	if path != "" && !slices.Contains(plot.Formats(), format(path)) {
		return &domain.Error{Code: domain.Invalid, Path: path, Message: "a figure's name must end in ." + strings.Join(plot.Formats(), " or .")}
	}
	return nil
}

func format(path string) string { return strings.ToLower(strings.TrimPrefix(filepath.Ext(path), ".")) }

// saveFigure writes a figure to a file in the format that its name tells.
func saveFigure(path string, f *plot.Figure) error {
	err := writeFile(path, func(w io.Writer) error { return f.Write(w, format(path)) })
	if err != nil {
		return &domain.Error{Code: domain.Invalid, Path: path, Message: "the figure cannot be written", Err: err}
	}
	return nil
}

// forest draws the actor and partner effects of a named model, or all fixed effects of one given by formulas.
func (r *fitted) forest() (*plot.Figure, error) {
	var rows []plot.Interval
	for _, e := range r.Effects {
		name := e.Predictor
		if e.On == "slope" {
			name += " on slope"
		}
		if e.Role != "" {
			name += ", " + e.Role
		}
		rows = append(rows, plot.Interval{Name: name, Kind: string(e.Path), Estimate: e.Parameter.Estimate, Lower: e.Parameter.Lower, Upper: e.Parameter.Upper})
	}
	title := "Actor and partner effects on " + r.spec.Outcome
	if len(rows) == 0 {
		title = "Fixed effects on " + r.spec.Outcome
		for _, p := range r.Parameters {
			rows = append(rows, plot.Interval{Name: p.Name, Estimate: p.Estimate, Lower: p.Lower, Upper: p.Upper})
		}
	}
	return plot.Forest(plot.Labels{Title: title, Note: r.note("estimates"), X: "points of " + r.spec.Outcome + " for a unit of the predictor"}, rows)
}

// trajectories draws the expected course of the outcome over the times of the data.
func (r *fitted) trajectories(f *frame.Frame) (*plot.Figure, error) {
	time := r.spec.asked().Time
	c, ok := f.Column(time)
	if !ok || !c.IsNumeric() {
		return nil, &domain.Error{Code: domain.Invalid, Path: "--trajectories", Message: "the model has no time to draw a course over"}
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, t := range c.Values {
		if len(r.spec.Waves) == 0 || slices.Contains(r.spec.Waves, t) {
			low, high = min(low, t), max(high, t) // NaN is neither
		}
	}
	const points = 41
	var times []float64
	for i := range points {
		times = append(times, low+(high-low)*float64(i)/(points-1))
	}
	courses, err := r.Trajectories(times)
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: "--trajectories", Message: err.Error()}
	}
	var series []plot.Series
	still := true
	for _, course := range courses {
		s := plot.Series{Name: course.Role, X: times}
		for _, p := range course.Points {
			s.Y, s.Lower, s.Upper = append(s.Y, p.Mean), append(s.Lower, p.Lower), append(s.Upper, p.Upper)
			still = still && p.Mean == s.Y[0]
		}
		series = append(series, s)
	}
	if still {
		return nil, &domain.Error{Code: domain.Invalid, Path: "--trajectories", Message: fmt.Sprintf("the expected outcome of a %s model does not change with %s", r.spec.Kind, time)}
	}
	return plot.Trajectories(plot.Labels{Title: "Expected course of " + r.spec.Outcome, Note: r.note("bands"), X: time, Y: r.spec.Outcome}, series)
}

func (r *fitted) note(what string) string {
	level := r.spec.Level
	if level == 0 {
		level = 0.95
	}
	if what == "estimates" {
		return fmt.Sprintf("%s model of %d couples; estimates with %g %% confidence intervals", r.spec.Kind, r.Couples, 100*level)
	}
	return fmt.Sprintf("%s model of %d couples at the mean of all else; bands are pointwise %g %% confidence intervals", r.spec.Kind, r.Couples, 100*level)
}
