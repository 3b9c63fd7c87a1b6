# Times R's nlme and glmmTMB on the dyadic growth model, for the ratios of peers_test.go.
# Usage: Rscript peers.R FILE.csv [lme] [glmmTMB]   columns: couple,role,time,x,y
# Prints one line a fit: engine seconds logLik
suppressMessages(library(nlme)); a <- commandArgs(TRUE); d <- read.csv(a[1]); d$role <- factor(d$role); d$ct <- interaction(d$couple, d$time, drop = TRUE)
say <- function(engine, seconds, m) cat(engine, sprintf("%.3f", seconds), sprintf("%.6f", as.numeric(logLik(m))), "\n")
if ("lme" %in% a[-1]) {
  t <- system.time(m <- lme(y ~ 0 + role + role:time, random = ~ 0 + role + role:time | couple, weights = varIdent(form = ~ 1 | role), correlation = corCompSymm(form = ~ 1 | couple/time),
    data = d, method = "REML", control = lmeControl(opt = "optim", maxIter = 200, msMaxIter = 500)))[3]
  say("lme", t, m)
}
if ("glmmTMB" %in% a[-1]) {
  suppressMessages(library(glmmTMB))
  t <- system.time(m <- suppressWarnings(glmmTMB(y ~ 0 + role + role:time + (0 + role + role:time | couple) + (0 + role | ct), dispformula = ~ 0, data = d, REML = TRUE)))[3]
  say("glmmTMB", t, m)
}
