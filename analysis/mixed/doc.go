// Package mixed fits linear mixed models to dyadic data: actor-partner models, dyadic growth, residualised
// change and diaries, with role-specific variances and correlated partners.
//
//	y_i = X_i b + Z_i u_i + e_i,   u_i ~ N(0, G),   e_i ~ N(0, R_i),   V_i = Z_i G Z_i' + R_i
//
// for couple i. Couples are independent. Read the package in this order:
//
//   - [Spec] and [Residual]: the model in words and formulas
//   - [New] and [Model]: the model joined with data, reduced to sums that do not grow with the number of couples
//   - [Model.LogLik]: the profiled likelihood and its analytic gradient
//   - [Model.Fit] and [Fit]: the maximum and the inference on it; [Convergence] says how far it may be trusted
//
// Each fit is deterministic, whatever the order of the rows. The package reads no files and knows
// nothing of instruments or studies.
package mixed
