// Package mixed fits linear mixed models to dyadic data: actor-partner models, dyadic growth, residualised
// change and diaries, with role-specific variances and correlated partners.
//
//	y_i = X_i b + Z_i u_i + e_i,   u_i ~ N(0, G),   e_i ~ N(0, R_i),   V_i = Z_i G Z_i' + R_i
//
// for couple i. Couples are independent, unless they are nested in sites (therapists, clinics), which then are. Read the package in this order:
//
//   - [Spec] and [Residual]: the model in words and formulas
//   - [New] and [Model]: the model joined with data, reduced to sums that do not grow with the number of couples
//   - [Model.LogLik]: the profiled likelihood and its analytic gradient
//   - [Model.Fit] and [Fit]: the maximum and the inference on it; [Convergence] says how far it may be trusted
//   - [Model.Update] and [Model.FitFrom]: the same as a study goes on, at the cost of the couples that changed
//   - [Fit.Contrast], [Fit.Test], [Fit.TypeIII], [LikelihoodRatio]: hypotheses; [Fit.Robust]: without trust in the covariance
//   - [Fit.Profile] and [Fit.Bootstrap]: intervals, also of the covariance parameters in [Fit.Components]
//   - [Fit.Predict], [Fit.Trajectories]: what the model expects of everybody; [Fit.GroupEffects], [Fit.Curves]: of this couple
//   - [Fit.Residuals], [Fit.Influence], [Fit.Explained]: how well it fits
//
// Each fit is deterministic, whatever the order of the rows. A Fit may be used by several goroutines. The package reads no
// files and knows nothing of instruments or studies.
//
// # Formulas
//
// Formulas are those of R and lme4: + joins terms, a:b is their product, a*b is a + b + a:b, a/b is a + a:b,
// (a + b)^2 all products of two, - takes away, 0 or -1 the intercept. Text columns, and those that name couple, person or role,
// are factors, coded by treatment contrasts to their first level (or sum contrasts, [Spec.Contrasts]) or, where their margin is not in the model, by an indicator for each
// level; factor(x) makes one of a numeric column. Columns are named as R's model.matrix names them. Columns that others determine are left out and named.
//
// Random terms are (a | g) and (a || g), the latter without any correlation, also between the levels of a factor; several are
// independent of each other, so that G has a block for each. g is the couple, the person, couple/person for both, the site or site/couple.
// With exchangeable(couple), for partners whom nothing tells apart, the effects of the two are m + h and m - h, where the
// mean m and the half difference h are independent and each has a G of its own: all covariances that stay the same when the partners are swapped (Kashy,
// Donnellan, Burt & McGue 2008), also negative ones, of which couple/person is capable only where partners resemble each other.
//
// Functions of numbers are I() for arithmetic, log, exp, sqrt, abs, poly(x, k) for orthogonal polynomials and scale(x). Those of
// dyads can be put into each other:
//
//   - partner(x): the partner's x on the same occasion of the couple
//   - within(x): x minus the person's mean; between(x): the person's mean minus the mean of all persons' means
//   - lag(x), lag(x, k): the person's x k occasions before, where times are whole numbers at time t - k, otherwise
//     at the k-th occasion of the couple before
//
// They are computed over all rows where x is there, before rows with anything missing are left out. What cannot be computed is missing.
//
// # Units and origins
//
// Sums and parameters are kept for orthonormal columns of X and of each unstructured random term, and estimates are given back in the columns of the
// formula. Time may be counted in waves, calendar years or seconds since 1970: fits and warnings are the same. Only where its steps are less than
// about 1e-7 of its origin is it taken for a constant and left out of X, as R does.
//
// # Measured
//
// Coverage of 95 % intervals over 2,000 simulated studies each (ASEM_COVERAGE=2000 go test -run Coverage; 23 November 2026):
//
//	rule           couples  levels       slopes       actor, partner effect
//	Kenward-Roger       30  95.0, 94.3   95.0, 95.2   94.5, 94.7
//	Kenward-Roger      100  95.6, 95.3   95.4, 94.4   93.8, 94.6
//	Satterthwaite       30  94.8, 94.2   95.0, 95.1   92.1, 91.6
//	Satterthwaite      100  95.6, 95.3   95.4, 94.3   93.2, 93.8
//
// With few couples use Kenward-Roger: the standard errors of effects that are the same for both partners are too small
// without it ([Fit.Advice]). lmerTest 3.1-3 falls short just as much: on 300 studies of 30 couples with a common residual variance its intervals and ours covered
// exactly as often (actor and partner effect 94.7 and 89.7 %), and 1,764 of them compared one by one have the same standard errors to 1e-3 and
// df to 1e-2 (ASEM_COVERAGE_R=300 go test -run CoverageAsLmerTest; 25 November 2026).
//
// Times from the data to the inference with REML, against R 4.2.2 on the same files in the same run (ASEM_PEERS="diary 150 1000 10000"
// go test -run AgainstPeers; two cores of an AMD EPYC that other work shared, 25 November 2026). Growth has 13 covariance parameters, 4 waves and 30 % of
// the rows missing; the diary 120 couples, 14 days and 10 % missing:
//
//	             here       nlme::lme            glmmTMB
//	diary        0.0087 s     3.29 s    378 x      2.20 s   252 x
//	growth   150 0.0054 s     1.27 s    237 x      1.42 s   265 x
//	        1000 0.025 s      6.97 s    283 x      6.57 s   267 x
//	       10000 0.047 s     63.14 s   1338 x     69.22 s  1467 x
//
// The search alone (go test -bench Fit; the least of 50, for the machine was not ours alone) takes 4.2 ms at 150 couples, 7.8 ms at 1,000 and 8.9 ms at 10,000 and at 100,000. A couple of 10,000 replaced
// and everything fitted anew (-bench Update): 2.8 ms at best, 4.0 ms of processor time at the median. 1,000 cluster bootstraps of 500 couples (-bench Bootstrap): 0.9 s.
// The likelihood with its gradient allocates nothing (-bench LogLik). Ratios fall where much else runs, for ours are milliseconds: to 59 at 150
// couples under a load of 18.
package mixed
