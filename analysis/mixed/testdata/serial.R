# Writes serial.csv and serial.json: a small diary (30 couples, 10 days, some rows missing, a clock time besides the day) and what R makes of serial
# correlation in it. nlme fits AR(1) and continuous-time AR within persons, and uncorrelated random effects. For partners whose residuals correlate on one occasion and over time at
# once nlme has no structure: there the likelihood is written out below from the definition and maximised by optim.
# Run in this folder: Rscript serial.R   (R 4.2.2, nlme 3.1-162, jsonlite)
suppressMessages({library(nlme); library(jsonlite)})
set.seed(12); n <- 30; days <- 10
d <- expand.grid(role = c("h", "w"), day = 1:days, couple = 1:n)[, 3:1]
clock <- matrix(round(rep(1:days, each = n) + runif(n * days, -.4, .4), 2), n); d$clock <- clock[cbind(d$couple, d$day)]
d$x <- round(rnorm(nrow(d)), 2); u <- rnorm(n, sd = .6); v <- matrix(rnorm(2 * n, sd = .4), n)
e <- unlist(lapply(1:n, function(i) { K <- kronecker(.5^abs(outer(1:days, 1:days, "-")), matrix(c(1, .4, .4, 1), 2)); s <- rep(c(.8, 1.1), days); as.vector(t(chol(K)) %*% rnorm(2 * days)) * s }))
d$y <- round(4 + .3 * (d$role == "w") + .25 * d$x - .03 * d$day + u[d$couple] + v[cbind(d$couple, 1 + (d$role == "w"))] + e, 3)
d <- d[runif(nrow(d)) > .12, ]; rownames(d) <- NULL
write.csv(d, "serial.csv", row.names = FALSE, quote = FALSE)
d$role <- factor(d$role); d$person <- interaction(d$couple, d$role, drop = TRUE)
d <- d[order(d$couple, d$role, d$day), ]
f <- y ~ role + x + day; tight <- lmeControl(maxIter = 500, msMaxIter = 2000, msMaxEval = 4000, tolerance = 1e-13, msTol = 1e-14)
gtight <- glsControl(maxIter = 500, msMaxIter = 2000, tolerance = 1e-13, msTol = 1e-14)
cor_of <- function(m) unname(coef(m$modelStruct$corStruct, unconstrained = FALSE))
say <- function(m) { tt <- summary(m)$tTable; b <- tt[, "Value"]; list(logLik = as.numeric(logLik(m)), serial = cor_of(m), sigma = m$sigma,
  coefficients = lapply(setNames(names(b), names(b)), function(k) list(estimate = unname(tt[k, "Value"]), se = unname(tt[k, "Std.Error"])))) }
byrole <- varIdent(form = ~ 1 | role)
out <- list(program = "see serial.R",
  gls_ar1 = say(gls(f, correlation = corAR1(.4, form = ~ day | couple/role), weights = byrole, data = d, control = gtight)),
  gls_car1 = say(gls(f, correlation = corCAR1(.4, form = ~ clock | couple/role), weights = byrole, data = d, control = gtight)),
  lme_ar1 = say(lme(f, random = ~ 1 | couple/role, correlation = corAR1(.4, form = ~ day | couple/role), data = d, control = tight)),
  lme_car1 = say(lme(f, random = ~ 1 | couple/role, correlation = corCAR1(.4, form = ~ clock | couple/role), weights = byrole, data = d, control = tight)),
  lme_diag = { m <- lme(f, random = list(couple = pdDiag(~ day)), data = d, control = tight); a <- say(m); a$serial <- NULL; a$sds <- unname(as.numeric(VarCorr(m)[, "StdDev"])); a })
# Cov(e_j, e_k) = sigma_j sigma_k rho^[other person] phi^|distance|, and a random level of the couple. REML, with all constants.
X <- model.matrix(f, d); rows <- split(seq_len(nrow(d)), d$couple)
minus2 <- function(theta, time, detail = FALSE) {
  s <- exp(theta[1:2]); rho <- tanh(theta[3]); phi <- plogis(theta[4]); g <- exp(2 * theta[5])
  A <- matrix(0, ncol(X), ncol(X)); b <- numeric(ncol(X)); q <- 0; ld <- 0
  for (r in rows) {
    sr <- s[as.integer(d$role[r])]; same <- outer(d$role[r], d$role[r], "==")
    V <- outer(sr, sr) * ifelse(same, 1, rho) * phi^abs(outer(time[r], time[r], "-")) + g
    ch <- tryCatch(chol(V), error = function(e) NULL); if (is.null(ch)) return(1e10); x <- backsolve(ch, X[r, , drop = FALSE], transpose = TRUE); z <- backsolve(ch, d$y[r], transpose = TRUE)
    A <- A + crossprod(x); b <- b + crossprod(x, z); q <- q + sum(z^2); ld <- ld + 2 * sum(log(diag(ch)))
  }
  beta <- solve(A, b)
  if (detail) return(list(beta = as.vector(beta), se = sqrt(diag(solve(A)))))
  ld + q - sum(b * beta) + as.numeric(determinant(A)$modulus) + (nrow(X) - ncol(X)) * log(2 * pi)
}
both <- function(time) {
  p <- c(log(.9), log(.9), .3, 0, log(.6))
  for (method in c("Nelder-Mead", "Nelder-Mead", rep("BFGS", 4))) p <- optim(p, minus2, time = time, method = method, control = list(reltol = 1e-15, maxit = 2000, ndeps = rep(1e-5, 5)))$par
  a <- minus2(p, time, TRUE)
  list(logLik = -minus2(p, time) / 2, sds = exp(p[1:2]), rho = tanh(p[3]), serial = plogis(p[4]), sd_couple = exp(p[5]),
    coefficients = lapply(setNames(seq_along(a$beta), colnames(X)), function(k) list(estimate = a$beta[k], se = unname(a$se[k]))))
}
out$partner_ar1 <- both(d$day); out$partner_car1 <- both(d$clock)
writeLines(toJSON(out, digits = I(12), auto_unbox = TRUE, pretty = 1), "serial.json")
