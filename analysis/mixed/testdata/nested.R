# Writes nested.csv and nested.json: a couples' therapy trial (12 therapists with 4 to 7 couples each, 3 waves, some rows missing) and what R makes
# of it, with couples nested in therapists, with sum contrasts, and with partners whom nothing tells apart. Run in this folder: Rscript nested.R
# (R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, clubSandwich 0.5.8, jsonlite)
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(clubSandwich); library(jsonlite)})
set.seed(7); size <- sample(4:7, 12, TRUE); site <- rep(seq_along(size), size); n <- length(site)
d <- expand.grid(role = c("h", "w"), time = 0:2, couple = seq_len(n))[, 3:1]; d$site <- paste0("t", site)[d$couple]
a <- rnorm(12, sd = .7); u <- cbind(rnorm(n), rnorm(n, sd = .4)); x <- matrix(rnorm(2 * n), n); half <- cbind(rnorm(n, sd = 1.1), rnorm(n, sd = .5))
sign <- ifelse(d$role == "h", 1, -1); d$x <- round(x[cbind(d$couple, 1 + (d$role == "w"))], 2)
d$y <- round(4 + .5 * (d$role == "w") + a[site[d$couple]] + u[d$couple, 1] + sign * half[d$couple, 1] + (u[d$couple, 2] + sign * half[d$couple, 2] - .3) * d$time + .3 * d$x + rnorm(nrow(d), sd = .6), 3)
d <- d[runif(nrow(d)) > .12, ]; rownames(d) <- NULL
write.csv(d, "nested.csv", row.names = FALSE, quote = FALSE)
d$role <- factor(d$role); d$d <- ifelse(d$role == "h", 1, -1)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 2e5, rhoend = 1e-12))
coefs <- function(tt, names) { tt <- as.matrix(tt); colnames(tt) <- names; lapply(setNames(rownames(tt), rownames(tt)), function(r) as.list(tt[r, ])) }
all <- c("estimate", "se", "df", "t", "p")
fit <- function(f, ...) lmerTest::lmer(f, d, control = tight, ...)
say <- function(m) list(loglik = as.numeric(logLik(m)), satterthwaite = coefs(coef(summary(m)), all), kenward_roger = coefs(coef(summary(m, ddf = "Kenward-Roger")), all), sds = as.data.frame(VarCorr(m))$sdcor)
nested <- fit(y ~ role * time + x + (1 | site) + (1 + time | couple) + (0 + d + d:time | couple))
cr <- as.data.frame(coef_test(lme4::lmer(y ~ role * time + x + (1 | site) + (1 + time | couple) + (0 + d + d:time | couple), d, control = tight), vcov = "CR2", cluster = d$site, test = "Satterthwaite")); rownames(cr) <- names(fixef(nested))
sums <- fit(y ~ role * time + x + (1 | site) + (1 + time | couple) + (0 + d + d:time | couple), contrasts = list(role = "contr.sum"))
exch <- fit(y ~ time + x + (1 + time | couple) + (0 + d + d:time | couple))
write_json(list(nested = say(nested), cr2 = coefs(cr[, c("beta", "SE", "df_Satt", "tstat", "p_Satt")], all), sums = say(sums), exchangeable = say(exch)), "nested.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
