package desk

import (
	"fmt"
	"math"
	"slices"

	"asem/analysis/agreement"
	"asem/domain"
	"asem/projections"
)

// fewestProbes is how many probes it takes before a judge is held against them: one bad clip is no drift.
const fewestProbes = 3

// fresh lists what a judge has submitted of a purpose and no assessment counted yet, in the order in which it came in.
func fresh(c projections.Coding, scheme, judge string, purpose domain.AssignmentPurpose) []projections.CodingWork {
	list := done(c, scheme, judge, purpose)
	counted := 0
	for _, a := range c.Assessed {
		if a.Judge == judge && a.Scheme == scheme && a.Purpose == purpose {
			counted += a.Assessment.Clips
		}
	}
	return list[min(counted, len(list)):]
}

func done(c projections.Coding, scheme, judge string, purpose domain.AssignmentPurpose) (list []projections.CodingWork) {
	for _, w := range c.Of(judge) {
		if w.Scheme == scheme && w.Purpose == purpose && !w.Submitted.IsZero() {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b projections.CodingWork) int { return a.Submitted.Compare(b.Submitted) })
	return list
}

// Due returns the assessment that is due after a judge has submitted: of gold clips, once there are as many as the rule of the scheme asks for; of probes,
// with every third one, over the last as many as the rule asks clips for. It returns nil where none is due.
func Due(c projections.Coding, scheme, judge string, on domain.Date) domain.Command {
	s, ok := c.Protocol.Scheme(scheme)
	if !ok || s.Certification == nil {
		return nil
	}
	if list := fresh(c, scheme, judge, domain.PurposeGold); len(list) >= s.Certification.Clips {
		return domain.AssessJudge{Study: c.Study, Judge: judge, Scheme: scheme, Purpose: domain.PurposeGold, Assessment: Assess(c, scheme, list), On: on}
	}
	probes := done(c, scheme, judge, domain.PurposeProbe)
	assessed := 0
	for _, a := range c.Assessed {
		if a.Judge == judge && a.Scheme == scheme && a.Purpose == domain.PurposeProbe {
			assessed++
		}
	}
	if n := min(fewestProbes, s.Certification.Clips); len(probes)/n > assessed {
		last := probes[max(0, len(probes)-max(n, s.Certification.Clips)):]
		return domain.AssessJudge{Study: c.Study, Judge: judge, Scheme: scheme, Purpose: domain.PurposeProbe, Assessment: Assess(c, scheme, last), On: on}
	}
	return nil
}

// Assess holds what a judge submitted against the criterion scores: the share of scores within one point, the mean deviation, and the ICC(2,1) of
// judge and criterion as two judges (Shrout & Fleiss 1979), which is computed for each dimension, as dimensions differ in level, and the smallest of which
// counts. It is nil where a dimension has none, such as when all its criterion scores are equal.
func Assess(c projections.Coding, scheme string, list []projections.CodingWork) domain.Assessment {
	a := domain.Assessment{Clips: len(list)}
	within, sum := 0, 0.0
	byDimension := map[string][]agreement.Rating{}
	for i, w := range list {
		k, _ := c.Clip(w.Couple, w.Clip)
		for _, sc := range k.Criteria[scheme] {
			at := slices.IndexFunc(w.Ratings, func(r domain.RatingRecorded) bool {
				return r.Dimension == sc.Dimension && r.Target == sc.Target && r.Unit == sc.Unit
			})
			if at < 0 {
				continue
			}
			v := w.Ratings[at].Value
			a.Scores++
			sum += v - sc.Value
			if math.Abs(v-sc.Value) <= 1+1e-9 {
				within++
			}
			place := fmt.Sprintf("%d/%s/%d", i, sc.Target, sc.Unit)
			byDimension[sc.Dimension] = append(byDimension[sc.Dimension], agreement.Rating{Clip: place, Judge: "criterion", Value: sc.Value}, agreement.Rating{Clip: place, Judge: "judge", Value: v})
		}
	}
	if a.Scores == 0 {
		return a
	}
	a.WithinOne, a.Bias = float64(within)/float64(a.Scores), sum/float64(a.Scores)
	lowest := math.Inf(1)
	for _, ratings := range byDimension {
		v, err := icc21(ratings)
		if err != nil {
			return a
		}
		lowest = min(lowest, v)
	}
	a.ICC = &lowest
	return a
}

func icc21(list []agreement.Rating) (float64, error) {
	t, err := agreement.NewTable(list)
	if err != nil {
		return 0, err
	}
	r, err := agreement.ICCOf(t, 0)
	if err != nil {
		return 0, err
	}
	return r.Coefficients[1].Value, r.Coefficients[1].Err
}
