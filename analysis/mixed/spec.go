package mixed

import "fmt"

// Spec says which model to fit to which columns of a frame. It is plain data; two equal specs on
// equal frames give equal fits.
type Spec struct {
	Outcome string // numeric column: y
	Couple  string // column that names the couple, the independent unit
	// Site names what couples are nested in: therapist, clinic, site. It is the independent unit then; empty: none.
	Site   string
	Person string // column that names the person; empty: couple and role name the person
	Role   string // column that tells the partners apart; empty: partners are exchangeable
	Time   string // numeric column: the occasion; empty: each couple was observed on one occasion
	Fixed  string // fixed effects in the formula language, without outcome: "0 + role + role:time"
	Random string // random effects: "(0 + role + role:time | couple)"; empty: none
	// Contrasts codes the factors of both formulas; empty means treatment.
	Contrasts Contrasts
	// Residual is the covariance of the residuals of one couple.
	Residual Residual
	Method   Method  // empty means REML
	DF       DF      // empty means Satterthwaite
	Level    float64 // of confidence intervals, in (0, 1); 0 means 0.95
	Options  Options
}

// Method is the criterion that is maximised.
type Method string

// Maximum likelihood, and restricted maximum likelihood (Patterson & Thompson 1971).
const (
	ML   Method = "ML"
	REML Method = "REML"
)

// DF is the rule for the degrees of freedom of t statistics.
type DF string

// The rules. Residual is n - p. Containment counts at the grouping level within which a column
// varies (Pinheiro & Bates 2000, section 2.4.2). Satterthwaite matches the first two moments of
// the estimated variance (Giesbrecht & Burns 1985; Fai & Cornelius 1996). KenwardRoger also inflates
// the covariance of the estimates for small samples (Kenward & Roger 1997); it needs REML.
const (
	DFResidual      DF = "residual"
	DFContainment   DF = "containment"
	DFSatterthwaite DF = "satterthwaite"
	DFKenwardRoger  DF = "kenward-roger"
)

// Residual says how the residuals of one couple hang together:
//
//	Cov(e_j, e_k) = sigma_j sigma_k c_jk
//
// where sigma depends on the role if Variance is by role. Between the partners on the same occasion c
// is rho if CrossPartner is set. Within a person c falls with the distance in time d as phi^d
// (AR1, whole d) or exp(-d/tau) (CAR1). With both, partners d apart have rho times the serial
// correlation. All other c are 0.
type Residual struct {
	Variance     Variance // empty means common
	CrossPartner bool
	Serial       Serial // empty means none
}

// Contrasts is how a factor is coded where indicators of all its levels would be too many.
type Contrasts string

// Each level but the first against the first (R's contr.treatment), or each level but the last against the mean of all (contr.sum).
const (
	ContrastsTreatment Contrasts = "treatment"
	ContrastsSum       Contrasts = "sum"
)

// Variance says whose residual variance is whose.
type Variance string

// One variance for all, or one for each role.
const (
	VarianceCommon Variance = "common"
	VarianceByRole Variance = "role"
)

// Serial is the correlation of a person's residuals over time.
type Serial string

// None, first-order autoregressive on whole occasions, and its continuous-time form.
const (
	SerialNone Serial = "none"
	SerialAR1  Serial = "ar1"
	SerialCAR1 Serial = "car1"
)

// Options steer the maximisation.
type Options struct {
	// Tolerance bounds the Newton decrement g'H^-1 g at which the search stops: about twice the
	// log-likelihood still to be gained. 0 means 1e-12.
	Tolerance float64
	MaxIter   int // 0 means 200
}

// withDefaults fills what is empty and refuses what is not known.
func (s Spec) withDefaults() (Spec, error) {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def((*string)(&s.Method), string(REML))
	def((*string)(&s.Contrasts), string(ContrastsTreatment))
	def((*string)(&s.DF), string(DFSatterthwaite))
	def((*string)(&s.Residual.Variance), string(VarianceCommon))
	def((*string)(&s.Residual.Serial), string(SerialNone))
	if s.Level == 0 {
		s.Level = 0.95
	}
	if s.Options.Tolerance == 0 {
		s.Options.Tolerance = 1e-12
	}
	if s.Options.MaxIter == 0 {
		s.Options.MaxIter = 200
	}
	switch {
	case s.Outcome == "":
		return s, &SpecError{"outcome", "is missing; expected the name of a numeric column"}
	case s.Couple == "":
		return s, &SpecError{"couple", "is missing; expected the column that names the couple"}
	case s.Fixed == "":
		return s, &SpecError{"fixed", `is missing; expected a formula such as "0 + role + role:time"`}
	case s.Method != ML && s.Method != REML:
		return s, &SpecError{"method", fmt.Sprintf("is %q; expected ML or REML", s.Method)}
	case s.DF != DFResidual && s.DF != DFContainment && s.DF != DFSatterthwaite && s.DF != DFKenwardRoger:
		return s, &SpecError{"df", fmt.Sprintf("is %q; expected residual, containment, satterthwaite or kenward-roger", s.DF)}
	case s.Contrasts != ContrastsTreatment && s.Contrasts != ContrastsSum:
		return s, &SpecError{"contrasts", fmt.Sprintf("is %q; expected treatment or sum", s.Contrasts)}
	case s.DF == DFKenwardRoger && s.Method != REML:
		return s, &SpecError{"df", "is kenward-roger, which is defined for REML; set method to REML or df to satterthwaite"}
	case s.Residual.Variance != VarianceCommon && s.Residual.Variance != VarianceByRole:
		return s, &SpecError{"residual.variance", fmt.Sprintf("is %q; expected common or role", s.Residual.Variance)}
	case s.Residual.Variance == VarianceByRole && s.Role == "":
		return s, &SpecError{"residual.variance", "is by role, but no role column is named"}
	case s.Residual.Serial != SerialNone && s.Residual.Serial != SerialAR1 && s.Residual.Serial != SerialCAR1:
		return s, &SpecError{"residual.serial", fmt.Sprintf("is %q; expected none, ar1 or car1", s.Residual.Serial)}
	case s.Residual.Serial != SerialNone && s.Time == "":
		return s, &SpecError{"residual.serial", "needs a time column"}
	case s.Residual.CrossPartner && s.Role == "" && s.Person == "":
		return s, &SpecError{"residual.cross_partner", "needs a role or a person column to tell the partners apart"}
	case !(s.Level > 0 && s.Level < 1):
		return s, &SpecError{"level", fmt.Sprintf("is %v; expected a number between 0 and 1, such as 0.95", s.Level)}
	}
	return s, nil
}

// SpecError says which field of a spec is wrong and what was expected.
type SpecError struct {
	Field   string
	Message string
}

func (e *SpecError) Error() string { return e.Field + " " + e.Message }
