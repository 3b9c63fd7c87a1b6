// Package agreement says how far judges agree and how reliable ratings and scales are.
//
// Judges: a [Table] holds ratings of clips by judges, and [Assess] gives all coefficients that fit them. One by one: [ICCOf] gives the six intraclass
// correlations of a complete design, [IncompleteICCOf] those of one with gaps, [CohenKappa] and [FleissKappa] the agreement on categories,
// [Krippendorff] alpha for any metric and any gaps. [Generalise] says where the variance of couple x judge x segment ratings comes from, and
// [GStudy.Decide] what another number of judges and segments would promise. [AgreeTraces] compares continuous ratings, and [Drift] charts what
// judges do over the weeks of coding.
//
// Scales: [CronbachAlpha], [Omega] and [SplitHalf] of [Items], and [Diary] for scales that are asked every day.
//
// What data cannot tell is [ErrNotEstimable] with a reason, and never a number: there is no NaN in a result that came without an error, but in parts that carry
// their own Err. Estimates depend on the data alone, not on the order of rows, and bootstrap intervals on these and a seed.
//
// The package knows nothing of studies or files, and draws no charts.
package agreement

// Version names the estimators in results. It is raised when numbers may change.
const Version = "asem-agreement 1"
