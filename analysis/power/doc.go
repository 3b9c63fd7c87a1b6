// Package power says what a couples study would find before it is carried out: power, precision and bias of any model that package apim names or that formulas
// give, by simulating the study many times and fitting the model to each.
//
//   - [Plan]: couples, occasions, dropout, judges, and what is taken to be true
//   - [Parameters]: the names of what a model needs true values of
//   - [Simulate] and [Curve]: power over sample sizes
//   - [Solve] and [Solution]: how many couples
//   - [TTest]: the exact power of a t test, where there is one
//
// # How studies are simulated
//
// Outcomes come from the model that will be fitted: from the columns it makes of the data (X, Z), true fixed effects and a true covariance,
//
//	y = X b + Z u + e,   u ~ N(0, G),   e ~ N(0, R)
//
// so that a kind of model needs no code here; it only has to compile. Where X looks back at outcomes, as in residualised change, they are settled occasion
// by occasion. Outcomes that the model does not explain, those of the first wave there, have a distribution of their own ([Baseline]). Predictors are drawn for every
// study, or for ten studies where these draw everything else anew; standard errors of power count that. What judges or scales measure of a predictor is its true value with noise,
// and the model is fitted to that. Dropout at random depends on the last outcome that was seen, and the planned share has left at the end.
//
// A study whose model does not converge finds nothing: it counts among all studies, is reported with its reason, and is never left out silently. Singular fits count,
// as they would in a report, and are told.
//
// # What to expect
//
// Effect sizes are the part of a plan that nobody can look up. Here are published designs that plans can begin from, and our own suggestions. Designs are
// as their papers or abstracts state them; the sizes of effects are our judgement and no findings.
//
//	design                                              couples                           occasions
//	newlyweds over two years (Hudson et al. 2014)       172                               5 waves in a year
//	transition to parenthood (2021)                     137                               2 years
//	newlyweds, stressor discussion (2023)               164                               2 waves, 1 year apart
//	felt security diaries (2020)                        73 and 78                         daily
//	adult attachment diary (Davila & Kashy 2009)        114                               14 days
//	therapy trial (Benson et al. 2013)                  134                               therapy and 2 years
//	emotionally focused therapy (Burgess Moser 2016)    32                                about 21 sessions
//	closeness activities (Stanton et al. 2017)          70                                2 waves, 1 month apart
//
//	our judgement, outcome on a scale from 1 to 7                                         small    medium   large
//	partner effect on a slope, points a month for 1 SD of coded responsiveness            0.01     0.02     0.04
//	partner effect in residualised change, SD of outcome for 1 SD of predictor            0.08     0.15     0.25
//	actor effect beside it, as a share of the partner effect                              0.3      0.5      1
//	diary: within-person effect, points for 1 point                                       0.05     0.15     0.30
//	standard deviation of levels 0.6 to 1.0, of slopes 0.03 to 0.08 a month, of residuals 0.3 to 0.6
//	correlation of partners' levels 0.2 to 0.4, slopes 0 to 0.3, residuals 0.1 to 0.3; stability from wave to wave 0.5 to 0.7
//	ICC of single judges 0.4 to 0.7; dropout in a year 0.15 to 0.35
//
// Plan for the smallest effect that would matter, not for the one that is hoped for, and try a pessimistic covariance as well.
//
// # Measured
//
// 1,000 studies at each of five sample sizes from 60 to 500 couples, three-wave growth with 12 fixed effects and 13 covariance parameters (go test -run xxx -bench Curve ./analysis/power):
// 14 s of processor time, 6.9 ms a study on the clock without dropout and 8.2 ms with 25 % dropout at random, on two cores of an AMD EPYC of which other work took most (34 s and 41 s in
// all; 25 November 2026). Fitting takes about 1 ms of a study; the likelihood sees sums that do not grow with the couples. Models that look back at outcomes are compiled anew for each study and
// occasion: 4,000 studies of two waves with 60 and 150 couples took 24 s there, and diaries with lags take longer by their number of days.
//
// Against the noncentral t distribution in two-wave residualised change (ASEM_POWER=2000 go test -run TTest -v): 12 powers
// from 0.05 to 0.81 agree within 2.1 Monte-Carlo standard errors.
package power
