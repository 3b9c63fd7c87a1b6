package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"asem/analysis/agreement"
	"asem/analysis/frame"
)

type (
	// traceJSON is the agreement of the continuous ratings of one clip.
	traceJSON struct {
		Clip         string            `json:"clip"`
		Judges       int               `json:"n_judges"`
		Moments      int               `json:"n_moments"`
		Block        number            `json:"block_seconds"`
		Coefficients []coefficientJSON `json:"coefficients"`
		Pairs        []crossJSON       `json:"pairs"`
	}
	crossJSON struct {
		Judges  [2]string `json:"judges"`
		AtZero  number    `json:"r"`
		Best    number    `json:"best_r"`
		BestLag number    `json:"best_lag_seconds"`
		R       []number  `json:"r_by_lag"` // from the longest lag at which the first judge is late to that at which the second is
	}
)

// traces fills in the agreement of continuous ratings, clip by clip.
func (c *agreementCmd) traces(ctx context.Context, list []sighting, d *dimensionReport) error {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b sighting) int {
		switch {
		case a.clip != b.clip:
			return frame.Natural(a.clip, b.clip)
		case a.judge != b.judge:
			return frame.Natural(a.judge, b.judge)
		case a.second < b.second:
			return -1
		case a.second > b.second:
			return 1
		}
		return 0
	})
	reading := agreement.LinearReading
	if c.Held {
		reading = agreement.HeldReading
	}
	judges := map[string]bool{}
	for len(list) > 0 {
		clip := list[0].clip
		var traces []agreement.Trace
		for len(list) > 0 && list[0].clip == clip {
			if n := len(traces); n == 0 || traces[n-1].Judge != list[0].judge {
				traces = append(traces, agreement.Trace{Judge: list[0].judge})
			}
			t := &traces[len(traces)-1]
			t.Time, t.Values = append(t.Time, list[0].second), append(t.Values, list[0].value)
			judges[t.Judge] = true
			d.Ratings++
			list = list[1:]
		}
		d.Clips++
		aligned, err := agreement.AlignTraces(traces, c.Step, reading)
		var a *agreement.TraceAgreement
		if err == nil {
			a, err = agreement.AgreeTraces(ctx, aligned, c.Lag, c.bootstrap())
		}
		if err != nil {
			err = fmt.Errorf("clip %s: %w", clip, err)
			if err := d.note(err); err != nil {
				return c.invalid(err)
			}
			d.NotEstimable = append(d.NotEstimable, err.Error())
			continue
		}
		d.Traces = append(d.Traces, traceOf(clip, len(traces), a))
	}
	d.Judges = len(judges)
	return nil
}

func traceOf(clip string, judges int, a *agreement.TraceAgreement) traceJSON {
	out := traceJSON{Clip: clip, Judges: judges, Moments: a.Moments, Block: number(a.Block), Coefficients: []coefficientJSON{}}
	for _, i := range a.Coefficients {
		if i.Err == nil {
			out.Coefficients = append(out.Coefficients, iccJSON(i))
		}
	}
	for _, p := range a.Pairs {
		x := crossJSON{Judges: p.Judges, AtZero: number(p.AtZero), Best: number(p.Best), BestLag: number(p.BestLag)}
		for _, r := range p.R {
			x.R = append(x.R, number(r))
		}
		out.Pairs = append(out.Pairs, x)
	}
	return out
}

func writeTraces(w io.Writer, list []traceJSON, percent string) error {
	if len(list) == 0 {
		return nil
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tab, "clip\tmoments\t\testimate\t%s\t\t\n", percent)
	for _, t := range list {
		for _, c := range t.Coefficients {
			fmt.Fprintf(tab, "%s\t%d\t%s\t%.3f\t%s\t\n", t.Clip, t.Moments, c.Name, float64(c.Estimate), between(c.Lower, c.Upper))
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	tab = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "clip\tjudge\tjudge\tr\tlargest r\tsecond judge later by\t")
	for _, t := range list {
		for _, p := range t.Pairs {
			fmt.Fprintf(tab, "%s\t%s\t%s\t%.3f\t%.3f\t%g s\t\n", t.Clip, p.Judges[0], p.Judges[1], float64(p.AtZero), float64(p.Best), float64(p.BestLag))
		}
	}
	return tab.Flush()
}
