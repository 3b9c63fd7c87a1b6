package plot_test

import (
	"fmt"
	"strings"

	"asem/analysis/plot"
)

func ExampleForest() {
	f, err := plot.Forest(plot.Labels{Title: "Effects on avoidance", X: "points for a point of responsiveness"}, []plot.Interval{
		{Name: "responsiveness, woman", Kind: "actor", Estimate: -0.01, Lower: -0.03, Upper: 0.01},
		{Name: "responsiveness, woman", Kind: "partner", Estimate: -0.04, Lower: -0.06, Upper: -0.02},
	})
	if err != nil {
		panic(err)
	}
	var svg strings.Builder
	if err := f.Write(&svg, "svg"); err != nil {
		panic(err)
	}
	fmt.Println(strings.Contains(svg.String(), "<title>Effects on avoidance</title>"))
	// Output: true
}
