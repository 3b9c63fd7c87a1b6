# Writes modelmatrix.json: what R's model.matrix makes of formulas on a small made-up data set.
# Run in this folder: Rscript modelmatrix.R   (R 4.2.2, jsonlite; only base R's stats does the work)
suppressMessages(library(jsonlite))
set.seed(4)
d <- data.frame(couple = rep(1:6, each = 4), role = rep(c("h", "w"), 12), time = rep(c(0, 0, 1, 1), 6),
                arm = rep(c("a", "b", "c"), each = 8), x = round(rnorm(24), 3), z = round(rnorm(24), 3), y = round(rnorm(24), 3))
formulas <- c("1", "x", "0 + role", "role", "0 + role + role:time", "role*time", "0 + role*time", "role + arm", "0 + role + arm", "role*arm",
  "role:arm", "0 + role:arm", "x:z", "(x + z)^2", "(role + arm + x)^2", "role/time", "role/arm", "x - 1", "role*x - x", "I(x^2)", "I(x + z * 2)", "poly(x, 2)",
  "role:poly(x, 2)", "scale(x)", "time + role:time", "0 + time + role:time", "role + role:arm", "arm:role + x", "log(abs(x) + 1)", "I(-x)", "x*z*role - x:z:role", "0 + arm:x + role", "I(time/12)",
  "role + x + I(2 * x)", "(role + arm):x", "role:x + arm:x", "((x + role) * (arm + z))^2", "(0 + x) + role", "x + role - (time - 1)", "z:arm + role:arm:x",
  "(x + role + arm)^3", "I(x * 100000)", "I(x + 123456)", "I(x * 0.0001)", "I(-x + 2) + I((x - z)/3)", "I(-x^2)", "I(x^2^1)", "I(2 * -x)", "role:(x + z) - 1", "(x/role)/arm", "`x` + role", "factor(time) * role", "0 + factor(time):role + x")
out <- lapply(formulas, function(f) { tt <- as.formula(paste("y ~", f), env = globalenv()); m <- model.matrix(tt, d); q <- qr(m, tol = 1e-7)
  keep <- sort(q$pivot[seq_len(q$rank)]); list(formula = f, names = I(colnames(m)[keep]), dropped = I(colnames(m)[-keep]), matrix = unname(m[, keep, drop = FALSE])) })
for (i in seq_along(out)) if (length(out[[i]]$names) == ncol(model.matrix(as.formula(paste("y ~", formulas[i])), d))) out[[i]]$dropped <- I(character(0))
writeLines(toJSON(list(program = paste("R", getRversion(), "stats::model.matrix, qr(tol = 1e-7)"), data = d, results = out), digits = I(15), auto_unbox = TRUE, dataframe = "columns"), "modelmatrix.json")
