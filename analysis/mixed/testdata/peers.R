# Times R's nlme and glmmTMB on the dyadic growth model and on the diary actor-partner model, for the ratios of peers_test.go.
# Usage: Rscript peers.R growth|diary FILE.csv [lme] [glmmTMB]   columns: couple,role,time,x,y
# Prints one line a fit: engine seconds logLik
suppressMessages(library(nlme)); a <- commandArgs(TRUE); d <- read.csv(a[2]); d$role <- factor(d$role); d$ct <- interaction(d$couple, d$time, drop = TRUE)
say <- function(engine, seconds, m) cat(engine, sprintf("%.3f", seconds), sprintf("%.6f", as.numeric(logLik(m))), "\n")
fixed <- y ~ 0 + role + role:time; random <- ~ 0 + role + role:time | couple; tmb <- y ~ 0 + role + role:time + (0 + role + role:time | couple) + (0 + role | ct)
if (a[1] == "diary") { # within-person actor and partner effects and a trend of days
  d <- d[order(d$couple, d$time, d$role), ]; d$own <- d$x - ave(d$x, d$couple, d$role); d$theirs <- ave(d$own, d$couple, d$time, FUN = rev)
  d$theirs[ave(d$x, d$couple, d$time, FUN = length) < 2] <- NA; d <- d[!is.na(d$theirs), ]
  fixed <- y ~ 0 + role + role:own + role:theirs + role:time; random <- ~ 0 + role | couple; tmb <- y ~ 0 + role + role:own + role:theirs + role:time + (0 + role | couple) + (0 + role | ct)
}
if ("lme" %in% a) {
  t <- system.time(m <- lme(fixed, random = random, weights = varIdent(form = ~ 1 | role), correlation = corCompSymm(form = ~ 1 | couple/time),
    data = d, method = "REML", control = lmeControl(opt = "optim", maxIter = 200, msMaxIter = 500)))[3]
  say("lme", t, m)
}
if ("glmmTMB" %in% a) {
  suppressMessages(library(glmmTMB))
  t <- system.time(m <- suppressWarnings(glmmTMB(tmb, dispformula = ~ 0, data = d, REML = TRUE)))[3]
  say("glmmTMB", t, m)
}
