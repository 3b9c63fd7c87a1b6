package agreement_test

import (
	"context"
	"fmt"
	"log"

	"asem/analysis/agreement"
)

// Six clips and four judges, the worked example of Shrout & Fleiss (1979): how far they agree, and how many judges would be needed.
func Example() {
	ratings := [][]float64{{9, 2, 5, 8}, {6, 1, 3, 2}, {8, 4, 6, 8}, {7, 1, 2, 6}, {10, 5, 6, 9}, {6, 2, 4, 7}}
	var list []agreement.Rating
	for clip, row := range ratings {
		for judge, value := range row {
			list = append(list, agreement.Rating{Clip: fmt.Sprint("clip ", clip+1), Judge: fmt.Sprint("judge ", judge+1), Value: value})
		}
	}
	table, err := agreement.NewTable(list)
	if err != nil {
		log.Fatal(err)
	}
	icc, err := agreement.ICCOf(table, 0.95)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range icc.Coefficients {
		fmt.Printf("%s %-8s %.2f  %5.2f to %.2f\n", c.Name, c.Alias, c.Value, c.Interval.Lower, c.Interval.Upper)
	}
	judges, err := agreement.JudgesNeeded(icc.Coefficients[1].Value, 0.8)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("judges for an ICC(2,k) of .80:", judges)

	// The study goes on: a rating is corrected, and one judge has rated a seventh clip.
	if err := table.Set(agreement.Rating{Clip: "clip 2", Judge: "judge 4", Value: 4}); err != nil {
		log.Fatal(err)
	}
	if err := table.Set(agreement.Rating{Clip: "clip 7", Judge: "judge 1", Value: 8}); err != nil {
		log.Fatal(err)
	}
	now, err := agreement.Assess(context.Background(), table, agreement.IntervalScale, 0.95, nil)
	if err != nil {
		log.Fatal(err)
	}
	single, err := now.Single()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("now ICC(2,1) is %.2f, from variance components: complete is %v\n", single, now.Complete)
	// Output:
	// ICC(1,1) ICC(1)   0.17  -0.13 to 0.72
	// ICC(2,1) ICC(A,1) 0.29   0.02 to 0.76
	// ICC(3,1) ICC(C,1) 0.71   0.34 to 0.95
	// ICC(1,k) ICC(k)   0.44  -0.88 to 0.91
	// ICC(2,k) ICC(A,k) 0.62   0.07 to 0.93
	// ICC(3,k) ICC(C,k) 0.91   0.68 to 0.99
	// judges for an ICC(2,k) of .80: 10
	// now ICC(2,1) is 0.24, from variance components: complete is false
}
