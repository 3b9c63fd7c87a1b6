# Writes the data *.csv of this folder and reference.json: agreement and reliability as R's packages compute them. Run in this folder: Rscript reference.R
# (R 4.2.2, lme4 1.1-31, psych 2.2.9, lavaan 0.6-14, vcd 1.4-11, jsonlite). All data are simulated here.
suppressMessages({library(lme4); library(psych); library(lavaan); library(vcd); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e6, rhobeg = .1, rhoend = 1e-12), check.conv.singular = "ignore", check.conv.grad = "ignore", check.conv.hess = "ignore")
put <- function(d, name) write.csv(d, name, row.names = FALSE, quote = FALSE)
components <- function(m) { v <- as.data.frame(VarCorr(m)); c(setNames(as.list(v$vcov), v$grp), loglik = as.numeric(logLik(m)), mean = unname(fixef(m))) }
out <- list()

# 60 clips, each rated by 2 to 4 of 9 judges.
set.seed(11); clips <- rnorm(60, sd = 1.1); bias <- rnorm(9, sd = .5)
d <- do.call(rbind, lapply(1:60, function(i) { j <- sort(sample(9, sample(2:4, 1))); data.frame(clip = sprintf("c%d", i), judge = sprintf("j%d", j), value = round(4 + clips[i] + bias[j] + rnorm(length(j), sd = .8), 1)) }))
put(d, "incomplete.csv")
two <- lmer(value ~ 1 + (1 | clip) + (1 | judge), d, control = tight); one <- lmer(value ~ 1 + (1 | clip), d, control = tight)
v <- components(two); w <- components(one); k <- 1 / mean(1 / table(d$clip))
m <- unclass(table(d$clip, d$judge)); m <- m / rowSums(m); shared <- m %*% t(m)
q <- 1 / k - (sum(shared) - sum(diag(shared))) / (60 * 59)
out$incomplete <- list(twoway = v, oneway = w, k = k, q = q,
  icc = list(v1 = w$clip / (w$clip + w$Residual), v2 = v$clip / (v$clip + v$judge + v$Residual), v3 = v$clip / (v$clip + v$Residual),
             v1k = w$clip / (w$clip + w$Residual / k), v2k = v$clip / (v$clip + (v$judge + v$Residual) / k), v3k = v$clip / (v$clip + v$Residual / k), gqk = v$clip / (v$clip + q * v$judge + v$Residual / k)))

# 25 couples, 4 judges, 6 segments, a tenth missing: all facets crossed, and segments nested in couples.
set.seed(12); g <- expand.grid(segment = 1:6, judge = paste0("j", 1:4), couple = 1:25)[, 3:1]
r <- function(n, s) rnorm(n, sd = s)
a <- r(25, .9); b <- r(4, .3); s <- r(6, .4); ab <- r(100, .4); as <- r(150, .6); bs <- r(24, .25)
j <- as.integer(factor(g$judge)); g$value <- round(4 + a[g$couple] + b[j] + s[g$segment] + ab[(g$couple - 1) * 4 + j] + as[(g$couple - 1) * 6 + g$segment] + bs[(j - 1) * 6 + g$segment] + r(nrow(g), .7), 2)
g <- g[runif(nrow(g)) > .1, ]; put(g, "segments.csv")
out$crossed <- components(lmer(value ~ 1 + (1 | couple) + (1 | judge) + (1 | segment) + (1 | couple:judge) + (1 | couple:segment) + (1 | judge:segment), g, control = tight))
out$nested <- components(lmer(value ~ 1 + (1 | couple) + (1 | judge) + (1 | couple:judge) + (1 | couple:segment), g, control = tight))

# 40 persons, 5 to 10 days, 4 items, a few answers missing.
set.seed(13); p <- do.call(rbind, lapply(1:40, function(i) data.frame(person = i, day = sort(sample(10, sample(5:10, 1))))))
x <- merge(p, data.frame(item = 1:4)); x <- x[order(x$person, x$day, x$item), ]
a <- r(40, .8); b <- r(10, .2); i <- r(4, .5); ai <- r(160, .3); ab <- r(400, .6)
x$value <- round(3 + a[x$person] + b[x$day] + i[x$item] + ai[(x$person - 1) * 4 + x$item] + ab[(x$person - 1) * 10 + x$day] + r(nrow(x), .6), 2)
x <- x[runif(nrow(x)) > .03, ]
wide <- reshape(x, idvar = c("person", "day"), timevar = "item", direction = "wide"); names(wide) <- sub("value.", "i", names(wide), fixed = TRUE); wide <- wide[order(wide$person, wide$day), c("person", "day", paste0("i", 1:4))]
write.csv(wide, "diary.csv", row.names = FALSE, quote = FALSE, na = "")
full <- components(lmer(value ~ 1 + (1 | person) + (1 | day) + (1 | item) + (1 | person:day) + (1 | person:item) + (1 | day:item), x, control = tight))
nest <- components(lmer(value ~ 1 + (1 | person) + (1 | person:day), x, control = tight))
days <- 1 / mean(1 / tapply(x$day, x$person, function(d) length(unique(d)))); b <- full$person + full$`person:item` / 4; e <- full$Residual
out$diary <- list(crossed = full, nested = nest, days = days,
  r1f = b / (b + e / 4), rkf = b / (b + e / (4 * days)), r1r = b / (b + full$day + full$`person:day` + e / 4), rkr = b / (b + (full$day + full$`person:day`) / days + e / (4 * days)),
  rc = full$`person:day` / (full$`person:day` + e / 4), rkrn = nest$person / (nest$person + nest$`person:day` / days + nest$Residual / (4 * days)), rcn = nest$`person:day` / (nest$`person:day` + nest$Residual / 4))

# Six items of one factor.
set.seed(14); f <- rnorm(150); it <- sapply(c(.9, .8, .7, .6, 1.1, .4), function(l) round(3 + l * f + rnorm(150, sd = .7), 2)); colnames(it) <- paste0("q", 1:6); put(as.data.frame(it), "items.csv")
omega <- function(d) {
  n <- colnames(d); l <- paste0("l", seq_along(n)); e <- paste0("e", seq_along(n))
  m <- paste0("f =~ ", paste0(l, "*", n, collapse = " + "), "\n", paste0(n, " ~~ ", e, "*", n, collapse = "\n"), "\nomega := (", paste(l, collapse = "+"), ")^2 / ((", paste(l, collapse = "+"), ")^2 + ", paste(e, collapse = "+"), ")")
  fit <- cfa(m, as.data.frame(d), std.lv = TRUE, control = list(rel.tol = 1e-10)); p <- parameterEstimates(fit)
  list(omega = p$est[p$op == ":="], se = p$se[p$op == ":="], loadings = p$est[p$op == "=~"], residuals = p$est[p$op == "~~" & p$lhs != "f"], chisq = unname(fitMeasures(fit, "chisq")), df = unname(fitMeasures(fit, "df")))
}
al <- suppressMessages(suppressWarnings(psych::alpha(as.data.frame(it)))); sh <- splitHalf(it, raw = FALSE)
out$items <- c(omega(it), list(alpha = al$total$raw_alpha, std_alpha = al$total$std.alpha, feldt = unlist(alpha.ci(al$total$raw_alpha, n.obs = 150, n.var = 6)[c("lower.ci", "upper.ci")]), dropped = al$alpha.drop$raw_alpha, rest = al$item.stats$r.drop, max_split = sh$maxrb, min_split = sh$minrb))

# Weighted kappa of the two judges of two_judges_ordinal.csv, with the large-sample standard error.
k <- read.csv("two_judges_ordinal.csv"); tab <- table(factor(k$a, 1:5), factor(k$b, 1:5))
kap <- function(w) { x <- vcd::Kappa(tab, weights = w); list(kappa = unname(x$Weighted["value"]), se = unname(x$Weighted["ASE"])) }
u <- vcd::Kappa(tab)$Unweighted
out$kappa <- list(unweighted = list(kappa = unname(u["value"]), se = unname(u["ASE"])), linear = kap("Equal-Spacing"), quadratic = kap("Fleiss-Cohen"))

# Two traces of 200 moments, the second 3 moments late.
set.seed(15); base <- as.numeric(arima.sim(list(ar = .8), 210)); tr <- data.frame(a = round(base[4:203] + r(200, .4), 3), b = round(base[1:200] + r(200, .4), 3)); put(tr, "traces.csv")
cc <- ccf(tr$b, tr$a, lag.max = 10, plot = FALSE); out$ccf <- list(lag = as.numeric(cc$lag), r = as.numeric(cc$acf))
write_json(out, "reference.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
