package mixed_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// An actor-partner model of 148 couples: satisfaction by one's own tension and the partner's, for husbands and wives
// (data: Acitelli, in R's dyadr; testdata/acitelli_couples.csv).
func Example() {
	file, err := os.Open("testdata/acitelli_couples.csv")
	if err != nil {
		log.Fatal(err)
	}
	data, err := frame.ReadCSV(file, frame.CSVOptions{})
	file.Close()
	if err != nil {
		log.Fatal(err)
	}
	m, err := mixed.New(data, mixed.Spec{
		Outcome: "satisfaction", Couple: "couple", Role: "role",
		Fixed:    "0 + role + role:tension + role:partner(tension)",
		Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	fit, err := m.Fit(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := fit.Err(); err != nil {
		log.Fatal(err)
	}
	for _, p := range fit.Parameters {
		fmt.Printf("%-30s %6.3f (%.3f)\n", p.Name, p.Estimate, p.SE)
	}
	equal, err := fit.Contrast("partner effects differ", []float64{0, 0, 0, 0, 1, -1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %.3f, p = %.2f\n", equal.Name, equal.Estimate, equal.P)
	// Output:
	// rolehusband                     4.872 (0.133)
	// rolewife                        5.019 (0.149)
	// rolehusband:tension            -0.330 (0.048)
	// rolewife:tension               -0.416 (0.050)
	// rolehusband:partner(tension)   -0.191 (0.045)
	// rolewife:partner(tension)      -0.162 (0.054)
	// partner effects differ: -0.029, p = 0.70
}
