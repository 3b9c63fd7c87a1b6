package desk

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"asem/domain"
	"asem/projections"
)

// Plan is what is to be done so that clips get their judges.
type Plan struct {
	Commands []domain.Command
	Short    []domain.Unplanned // clips for which there are too few judges
}

// PlanStudy gives every clip that may be rated the judges that it lacks by a scheme: those it never had, and one more for each that gave it back. The
// scheme's seed decides, so that the same coding has the same plan. A clip that is a gold clip of the scheme is no datum and gets nobody.
//
// Among a judge's new clips gold clips are mixed in, unseen, as far as the certification rule asks for probes and there are gold clips that the judge has
// not had.
func PlanStudy(c projections.Coding, scheme string, on domain.Date, newID func() string) (Plan, error) {
	s, seed, err := planned(c, scheme)
	if err != nil {
		return Plan{}, err
	}
	p := domain.CodingPlan{Seed: seed}
	for _, j := range c.Judges {
		if j.Retired || j.AwayOn(on) || !j.Standings[scheme].Holds(s.Certification, on) {
			continue
		}
		p.Judges = append(p.Judges, planJudge(c, j, scheme))
	}
	for _, k := range c.Clips {
		if !ratable(c.Protocol, k, scheme) || len(k.Criteria[scheme]) > 0 {
			continue
		}
		need := 1
		if s.Overlap == 0 || share(seed, k.Couple, k.Clip) < s.Overlap {
			need = s.JudgesPerClip
		}
		pc := domain.PlanClip{Couple: k.Couple, Clip: k.Clip, Judges: need}
		for _, w := range c.Work {
			if w.Couple == k.Couple && w.Clip == k.Clip && w.Scheme == scheme {
				pc.Has = append(pc.Has, w.Judge)
				if w.Purpose == domain.PurposeStudy && !w.Ended {
					pc.Judges--
				}
			}
		}
		if pc.Judges > 0 {
			p.Clips = append(p.Clips, pc)
		}
	}
	list, short := domain.PlanCoding(p)
	out := Plan{Short: short}
	for _, j := range p.Judges {
		var own []domain.PlannedClip
		for _, x := range list {
			if x.Judge == j.Code {
				own = append(own, x)
			}
		}
		judge, _ := c.Judge(j.Code)
		for i, x := range mix(c, s, seed, judge, j, own) {
			out.Commands = append(out.Commands, domain.MakeAssignment{Study: c.Study, Couple: x.Couple, Assignment: newID(), Clip: x.Clip, Scheme: scheme, Judge: j.Code,
				Place: j.Placed + 1 + i, Mirrored: x.Mirrored, Purpose: x.purpose, On: on})
		}
	}
	return out, nil
}

func planned(c projections.Coding, scheme string) (domain.CodingScheme, uint64, error) {
	s, ok := c.Protocol.Scheme(scheme)
	if !ok {
		return s, 0, &domain.Error{Code: domain.NotFound, Path: "scheme", Message: fmt.Sprintf("the protocol has no coding scheme %q", scheme)}
	}
	seed, ok := c.Seeds[scheme]
	if !ok {
		return s, 0, &domain.Error{Code: domain.Conflict, Path: "seed", Message: "chance has no seed yet for scheme " + scheme}
	}
	return s, seed, nil
}

// ratable reports whether a clip can be given to judges of a scheme: there is a recording to look at, both partners agree, and the task is rated by it.
func ratable(p domain.Protocol, k projections.CodingClip, scheme string) bool {
	if !k.Free || k.Video == nil {
		return false
	}
	t, ok := p.Task(k.Task)
	return !ok || len(t.Schemes) == 0 || slices.Contains(t.Schemes, scheme)
}

func planJudge(c projections.Coding, j domain.Judge, scheme string) domain.PlanJudge {
	p := domain.PlanJudge{Code: j.Code, Knows: j.Acquainted}
	for _, w := range c.Of(j.Code) {
		if w.Scheme != scheme {
			continue
		}
		if w.Purpose == domain.PurposeStudy && !w.Ended {
			p.Load++
		}
		if w.Place > p.Placed {
			p.Placed, p.Last = w.Place, w.Couple
		}
	}
	return p
}

// share is a number from 0 to below 1 that belongs to a clip, whatever other clips there are.
func share(seed uint64, couple, clip string) float64 {
	return float64(draw(seed, couple, clip).Uint64()>>11) / (1 << 53)
}

func draw(seed uint64, of ...string) *rand.Rand {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, seed) // a hash takes everything
	for _, part := range of {
		h.Write([]byte(part + "\x00"))
	}
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:]))) //nolint:gosec // chance of a plan that can be made again
}

type mixed struct {
	domain.PlannedClip
	purpose domain.AssignmentPurpose
}

// mix puts probes among a judge's new clips at random places at which they do not meet their own couple.
func mix(c projections.Coding, s domain.CodingScheme, seed uint64, judge domain.Judge, plan domain.PlanJudge, own []domain.PlannedClip) []mixed {
	list := make([]mixed, len(own))
	for i, x := range own {
		list[i] = mixed{x, domain.PurposeStudy}
	}
	if s.Certification == nil || s.Certification.ProbeShare == 0 || len(own) == 0 {
		return list
	}
	probes := 0
	for _, w := range c.Of(judge.Code) {
		if w.Scheme == s.Code && w.Purpose == domain.PurposeProbe && !w.Ended {
			probes++
		}
	}
	p := s.Certification.ProbeShare
	wanted := int(math.Round(p/(1-p)*float64(plan.Load+len(own)))) - probes
	rng := draw(seed, "probes", judge.Code, fmt.Sprint(plan.Placed))
	for _, g := range goldFor(c, s.Code, judge, rng) {
		if wanted <= 0 || g.had > 0 {
			break
		}
		fits := []int{}
		for at := range len(list) + 1 {
			before := plan.Last
			if at > 0 {
				before = list[at-1].Couple
			}
			if before != g.clip.Couple && (at == len(list) || list[at].Couple != g.clip.Couple) {
				fits = append(fits, at)
			}
		}
		if len(fits) == 0 {
			continue
		}
		x := mixed{domain.PlannedClip{PlanClip: domain.PlanClip{Couple: g.clip.Couple, Clip: g.clip.Clip}, Judge: judge.Code, Mirrored: rng.IntN(2) == 0}, domain.PurposeProbe}
		list = slices.Insert(list, fits[rng.IntN(len(fits))], x)
		wanted--
	}
	return list
}

type gold struct {
	clip projections.CodingClip
	had  int // times that the judge has had it
}

// goldFor lists the gold clips of a scheme for a judge in random order, those that the judge has not had first.
func goldFor(c projections.Coding, scheme string, judge domain.Judge, rng *rand.Rand) (list []gold) {
	for _, k := range c.Clips {
		if len(k.Criteria[scheme]) == 0 || !ratable(c.Protocol, k, scheme) || judge.Knows(k.Couple) {
			continue
		}
		g := gold{clip: k}
		for _, w := range c.Work {
			if w.Judge == judge.Code && w.Couple == k.Couple && w.Clip == k.Clip && w.Scheme == scheme {
				g.had++
			}
		}
		list = append(list, g)
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b gold) int { return cmp.Compare(a.had, b.had) })
	return list
}

// Train gives a judge as many gold clips as the certification rule of a scheme asks for, and no more while some are open.
func Train(c projections.Coding, scheme, judge string, on domain.Date, newID func() string) ([]domain.Command, error) {
	s, seed, err := planned(c, scheme)
	if err != nil {
		return nil, err
	}
	j, ok := c.Judge(judge)
	if !ok {
		return nil, &domain.Error{Code: domain.NotFound, Path: "judge", Message: "there is no such judge"}
	}
	if s.Certification == nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: "scheme", Message: "scheme " + scheme + " certifies nobody"}
	}
	open := len(fresh(c, scheme, judge, domain.PurposeGold))
	plan := planJudge(c, j, scheme)
	for _, w := range c.Of(judge) {
		if w.Scheme == scheme && w.Purpose == domain.PurposeGold && !w.Ended && w.Submitted.IsZero() {
			open++
		}
	}
	rng := draw(seed, "gold", judge, fmt.Sprint(plan.Placed))
	var list []domain.Command
	for _, g := range goldFor(c, scheme, j, rng) {
		if len(list)+open >= s.Certification.Clips {
			break
		}
		list = append(list, domain.MakeAssignment{Study: c.Study, Couple: g.clip.Couple, Assignment: newID(), Clip: g.clip.Clip, Scheme: scheme, Judge: judge, Place: plan.Placed + 1 + len(list),
			Mirrored: rng.IntN(2) == 0, Purpose: domain.PurposeGold, On: on})
	}
	if missing := s.Certification.Clips - open - len(list); missing > 0 {
		return nil, &domain.Error{Code: domain.Conflict, Path: "clips", Message: fmt.Sprintf("there are too few gold clips for this judge: %d more are needed; set the criterion scores of more clips", missing)}
	}
	return list, nil
}

// TakeBack takes back what a judge has not submitted by a scheme, so that others get it.
func TakeBack(c projections.Coding, scheme, judge, reason string) (list []domain.Command) {
	for _, w := range c.Of(judge) {
		if w.Scheme == scheme && !w.Ended && w.Submitted.IsZero() {
			list = append(list, domain.RetractAssignment{Study: c.Study, Couple: w.Couple, Assignment: w.ID, Reason: reason})
		}
	}
	return list
}
