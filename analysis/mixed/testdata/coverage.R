# Fits the studies of a file with lmerTest and prints what its summary says, for TestCoverageAsLmerTest. Partners' residuals correlate by a random effect of the
# occasion. Usage: Rscript coverage.R FILE.csv   columns: study,couple,role,time,x,p,y
# Prints, for each study and fixed effect: study logLik singular estimate se df
suppressMessages(library(lmerTest)); all <- read.csv(commandArgs(TRUE)[1]); all$role <- factor(all$role)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 2e5, rhoend = 1e-9), calc.derivs = FALSE, check.conv.singular = "ignore")
for (s in unique(all$study)) {
  d <- all[all$study == s, ]
  m <- lmer(y ~ 0 + role + role:time + x + p + (0 + role + role:time | couple) + (1 | couple:time), d, control = tight)
  tt <- coef(summary(m))
  for (k in rownames(tt)) cat(s, k, sprintf("%.8f", as.numeric(logLik(m))), as.integer(isSingular(m)), sprintf("%.10g", tt[k, c("Estimate", "Std. Error", "df")]), "\n")
}
