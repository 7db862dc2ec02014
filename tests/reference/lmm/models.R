# R's side of bench_models.py: one warm process that answers a line of JSON with a line of JSON.
# Seconds are this process's own processor time, so that other work on the machine does not count.
suppressMessages({library(lme4); library(pbkrtest); library(jsonlite); library(splines)})
tables <- list()

fit_default <- function(formula, table) suppressMessages(suppressWarnings(lmer(formula, table)))

# lme4's default stops early: go on from there in small steps, as its own authors advise
tighten <- function(formula, table, start) suppressMessages(suppressWarnings(lmer(
  formula, table, start = start, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
                                                       optCtrl = list(maxfun = 1e5, rhobeg = 0.02, rhoend = 1e-9)))))

seconds <- function(work) { used <- system.time(work, gcFirst = FALSE); used[["user.self"]] + used[["sys.self"]] }

kenward_roger <- function(fit) {
  adjusted <- vcovAdj(fit)
  sapply(seq_along(fixef(fit)), function(i) Lb_ddf(as.numeric(seq_along(fixef(fit)) == i), vcov(fit), adjusted))
}

load_table <- function(name, path) {
  tables[[name]] <<- read.csv(path, stringsAsFactors = TRUE)
  list(rows = nrow(tables[[name]]))
}

# processor seconds of the default fit, of going on to the tight optimum, and of Kenward-Roger for every coefficient
time_fit <- function(table, formula, tight = TRUE, df = TRUE) {
  formula <- as.formula(formula); rows <- tables[[table]]; answer <- list()
  answer$default <- seconds(fit <- fit_default(formula, rows))
  if (tight) answer$tight <- seconds(fit <- tighten(formula, rows, getME(fit, "theta")))
  if (df) answer$kenward_roger <- seconds(answer$df <- kenward_roger(fit))
  answer$loglik <- as.numeric(logLik(fit))
  answer
}

time_each <- function(table, formula, by) {
  formula <- as.formula(formula); parts <- split(tables[[table]], tables[[table]][[by]], drop = TRUE)
  list(seconds = seconds(fits <- lapply(parts, function(part) fit_default(formula, part))),
       loglik = sapply(fits, function(fit) as.numeric(logLik(fit))))
}

# the best of searches in small steps from where the default ended and from two other starts
tightest <- function(formula, table, best) {
  for (start in c(NA, 0.1, 1)) {
    theta <- if (is.na(start)) getME(best, "theta") else ifelse(getME(best, "lower") == 0, start, 0)
    for (again in 1:2) {
      other <- tighten(formula, table, theta)
      if (logLik(other) > logLik(best)) best <- other
      theta <- getME(other, "theta")
    }
  }
  best
}

# the default's log-likelihood and the best one, for each part of a table
optima <- function(table, formulas, by) {
  parts <- split(tables[[table]], tables[[table]][[by]], drop = TRUE)
  both <- function(part) {
    part <- droplevels(part)
    formula <- as.formula(formulas[[as.character(part[[by]][1])]])
    spent <- seconds(fit <- fit_default(formula, part))
    c(as.numeric(logLik(fit)), as.numeric(logLik(tightest(formula, part, fit))), spent)
  }
  found <- sapply(parts, function(part) tryCatch(both(part), error = function(e) c(NA, NA, NA)))
  list(set = names(parts), default = found[1, ], tight = found[2, ], default_seconds = sum(found[3, ]))
}

# everything test_lmm_more.py compares: the tight optimum of lme4 with pbkrtest's Kenward-Roger
reference <- function(table, formula) {
  best <- tightest(as.formula(formula), tables[[table]], fit_default(as.formula(formula), tables[[table]]))
  adjusted <- vcovAdj(best)
  rows <- seq_along(fixef(best))
  list(formula = formula, loglik = as.numeric(logLik(best)), sigma = sigma(best), terms = I(names(fixef(best))),
       estimate = I(unname(fixef(best))), se = I(sqrt(diag(as.matrix(adjusted)))),
       df = I(sapply(rows, function(i) Lb_ddf(as.numeric(rows == i), vcov(best), adjusted))))
}

# nlme's fit with residuals correlated in continuous time, and a residual variance for each level of a factor if asked
serial <- function(table, formula, random, by = NULL) {
  fit <- nlme::lme(as.formula(formula), random = as.formula(random), data = tables[[table]], method = "REML",
                   correlation = nlme::corCAR1(0.5, form = as.formula(sub("~ 1", "~ day", random, fixed = TRUE))),
                   weights = if (!is.null(by)) nlme::varIdent(form = as.formula(paste("~ 1 |", by))),
                   control = nlme::lmeControl(opt = "optim", maxIter = 200, msMaxIter = 1000, reltol = 1e-15, tolerance = 1e-10))
  ratios <- if (is.null(by)) list() else as.list(coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE))
  list(formula = paste(formula, random), by = by, loglik = as.numeric(logLik(fit)), sigma = fit$sigma, ratios = ratios,
       phi = as.numeric(coef(fit$modelStruct$corStruct, unconstrained = FALSE)), terms = I(names(nlme::fixef(fit))),
       estimate = I(unname(nlme::fixef(fit))), se = I(unname(sqrt(diag(fit$varFix)))))
}

invisible(fit_default(Reaction ~ Days + (Days | Subject), sleepstudy))  # warm up
invisible(kenward_roger(fit_default(Reaction ~ Days + (Days | Subject), sleepstudy)))
asked <- file("stdin", "r")
while (length(line <- readLines(asked, 1)) > 0) {
  question <- fromJSON(line)
  answer <- tryCatch(do.call(question$call, question$arguments), error = function(e) list(error = conditionMessage(e)))
  cat(toJSON(answer, auto_unbox = TRUE, digits = NA, na = "null"), "\n", sep = "")
  flush(stdout())
}
