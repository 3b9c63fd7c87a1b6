# Writes small_sample.csv and small_sample.json: a small dyadic growth study (24 couples, 4 waves, some rows missing) and what
# R makes of it. Run in this folder: Rscript small_sample.R
# (R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, clubSandwich 0.5.8, nlme 3.1-162, jsonlite)
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(clubSandwich); library(nlme); library(jsonlite)})
set.seed(20); n <- 24
d <- expand.grid(role = c("h", "w"), time = 0:3, couple = 1:n)[, 3:1]
d$arm <- rep(c("a", "b", "c"), each = 8, length.out = n)[d$couple]
x <- round(matrix(rnorm(2 * n), n), 2); d$x <- x[cbind(d$couple, ifelse(d$role == "h", 1, 2))]
u <- matrix(rnorm(2 * n), n) %*% chol(matrix(c(1, .15, .15, .16), 2)); e <- matrix(rnorm(4 * n, sd = .4), n)
d$y <- round(3 + .4 * (d$role == "w") + u[d$couple, 1] + (.2 + u[d$couple, 2]) * d$time + .3 * d$x + .2 * (d$arm == "b") * d$time + e[cbind(d$couple, d$time + 1)] + rnorm(nrow(d), sd = .6), 3)
d <- d[runif(nrow(d)) > .15, ]; rownames(d) <- NULL
write.csv(d, "small_sample.csv", row.names = FALSE, quote = FALSE)
d$role <- factor(d$role); d$arm <- factor(d$arm); d$cf <- factor(d$couple)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 2e5, rhoend = 1e-12))
f <- y ~ role * time + x + arm * time; rnd <- y ~ role * time + x + arm * time + (1 + time | couple)
m <- lmerTest::lmer(rnd, d, control = tight); ml <- update(m, REML = FALSE)
coefs <- function(tt, names) { tt <- as.matrix(tt); colnames(tt) <- names; lapply(setNames(rownames(tt), rownames(tt)), function(r) as.list(tt[r, ])) }
ftests <- function(a) coefs(as.matrix(a)[, c("NumDF", "DenDF", "F value", "Pr(>F)")], c("numDF", "denDF", "f", "p"))
sum3 <- lmerTest::lmer(rnd, d, control = tight, contrasts = list(role = "contr.sum", arm = "contr.sum"))
p <- length(fixef(m)); L <- matrix(0, 3, p, dimnames = list(NULL, names(fixef(m)))); L[1, "rolew"] <- 1; L[2, c("armb", "armc")] <- c(1, -1); L[3, "rolew:time"] <- 1; L[3, "time"] <- .5
md <- function(ddf) { a <- contestMD(m, L, ddf = ddf); list(numDF = a$NumDF, denDF = a$DenDF, f = a$`F value`, p = a$`Pr(>F)`) }
l1 <- L[2, ]; one <- function(ddf) { a <- contest1D(m, l1, ddf = ddf); list(estimate = a$Estimate, se = a$`Std. Error`, df = a$df, t = a$`t value`, p = a$`Pr(>|t|)`) }
lm0 <- lme(f, random = ~ 1 + time | couple, weights = varIdent(form = ~ 1 | role), correlation = corCompSymm(form = ~ 1 | couple/time), data = d[order(d$couple, d$time, d$role), ], method = "REML",
  control = lmeControl(opt = "optim", maxIter = 500, msMaxIter = 1000, tolerance = 1e-13, msTol = 1e-13, reltol = 1e-14))
cr <- function(m, type) { a <- as.data.frame(coef_test(m, vcov = type, test = "Satterthwaite")); rownames(a) <- names(if (inherits(m, "lme")) nlme::fixef(m) else lme4::fixef(m))
  coefs(a[, c("beta", "SE", "df_Satt", "tstat", "p_Satt")], c("estimate", "se", "df", "t", "p")) }
small <- update(ml, . ~ . - arm - arm:time); lrt <- anova(small, ml)
pf <- function(w) confint(profile(lme4::lmer(rnd, d, REML = FALSE, control = tight), which = w, maxpts = 400, delta = .05)); ci <- rbind(pf("beta_"), pf("theta_"))
X <- getME(m, "X"); s2 <- sigma(m)^2; G <- as.matrix(VarCorr(m)$couple)[, ]; Z <- cbind(1, d$time); vf <- var(as.vector(X %*% fixef(m))) ; vr <- mean(rowSums((Z %*% G) * Z))
gl <- gls(y ~ role * time + x, correlation = corCompSymm(form = ~ 1 | couple), weights = varIdent(form = ~ 1 | role), data = d, control = glsControl(tolerance = 1e-13, msTol = 1e-13))
o <- order(d$couple, d$time, d$role)
new <- data.frame(role = c("h", "w", "w"), time = c(0, 2, 5.5), x = c(0, .5, -1), arm = c("a", "b", "c")); X0 <- model.matrix(~ role * time + x + arm * time, transform(new, role = factor(role, c("h", "w")), arm = factor(arm, c("a", "b", "c"))))[, names(fixef(m))]
out <- list(program = "see small_sample.R",
  lmer = list(logLik = as.numeric(logLik(m)), sigma = sigma(m), G = unname(G),
    satterthwaite = coefs(coef(summary(m, ddf = "Satterthwaite")), c("estimate", "se", "df", "t", "p")), kenward_roger = coefs(coef(summary(m, ddf = "Kenward-Roger")), c("estimate", "se", "df", "t", "p")),
    type3_satterthwaite = ftests(anova(sum3, type = 3, ddf = "Satterthwaite")), type3_kenward_roger = ftests(anova(sum3, type = 3, ddf = "Kenward-Roger")),
    contrast = list(rows = unname(L), satterthwaite = md("Satterthwaite"), kenward_roger = md("Kenward-Roger"), one_satterthwaite = one("Satterthwaite"), one_kenward_roger = one("Kenward-Roger")),
    cr0 = cr(lme4::lmer(rnd, d, control = tight), "CR0"), cr2 = cr(lme4::lmer(rnd, d, control = tight), "CR2"),
    ranef = unname(as.matrix(ranef(m)$couple)), fitted = unname(fitted(m)), marginal_residuals = unname(d$y - as.vector(X %*% fixef(m))), conditional_residuals = unname(resid(m)),
    nakagawa = list(marginal = vf / (vf + vr + s2), conditional = (vf + vr) / (vf + vr + s2)),
    predict = list(mean = unname(as.vector(X0 %*% fixef(m))), se = unname(sqrt(diag(X0 %*% as.matrix(vcov(m)) %*% t(X0)))))),
  ml = list(logLik = as.numeric(logLik(ml)), small = as.numeric(logLik(small)), chisq = lrt$Chisq[2], df = lrt$Df[2], p = lrt$`Pr(>Chisq)`[2], profile = lapply(setNames(rownames(ci), rownames(ci)), function(r) unname(ci[r, ]))),
  lme = list(logLik = as.numeric(logLik(lm0)), normalized = unname(as.vector(resid(lm0, type = "normalized", level = 0))), cr2 = cr(lm0, "CR2")),
  gls = list(logLik = as.numeric(logLik(gl)), cr0 = { a <- as.data.frame(coef_test(gl, vcov = "CR0", test = "Satterthwaite")); rownames(a) <- names(coef(gl)); coefs(a[, c("beta", "SE", "df_Satt", "tstat", "p_Satt")], c("estimate", "se", "df", "t", "p")) },
    cr2 = { a <- as.data.frame(coef_test(gl, vcov = "CR2", test = "Satterthwaite")); rownames(a) <- names(coef(gl)); coefs(a[, c("beta", "SE", "df_Satt", "tstat", "p_Satt")], c("estimate", "se", "df", "t", "p")) }))
writeLines(toJSON(out, digits = I(12), auto_unbox = TRUE, pretty = 1, na = "null"), "small_sample.json")
