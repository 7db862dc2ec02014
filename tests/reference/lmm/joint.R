# Writes joint.json: pbkrtest's Kenward-Roger F tests of several contrasts on growth.csv.
#     Rscript joint.R        (in this folder; Debian: r-cran-lme4 r-cran-pbkrtest r-cran-jsonlite)
suppressMessages({library(lme4); library(pbkrtest); library(jsonlite)})
growth <- read.csv("growth.csv", stringsAsFactors = TRUE)
ours <- function(term) {
  term <- sub("(Intercept)", "Intercept", term, fixed = TRUE)
  gsub("(arm|map2k4)([^:]+)", "\\1[T.\\2]", term)
}
joint <- function(formula, pattern) {
  fit <- lmer(as.formula(formula), growth, control = lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5, rhoend = 1e-10)))
  fit <- lmer(as.formula(formula), growth, start = getME(fit, "theta"),
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5, rhobeg = 0.002, rhoend = 1e-11)))
  terms <- grep(pattern, names(fixef(fit)))
  rows <- diag(length(fixef(fit)))[terms, , drop = FALSE]
  test <- KRmodcomp(fit, rows)$test["Ftest", ]
  list(formula = formula, terms = I(ours(names(fixef(fit))[terms])), stat = test$stat, ndf = test$ndf, ddf = test$ddf,
       p_value = test$p.value)
}
result <- list(tests = list(
  joint("log_volume ~ day * arm + (1 + day | mouse)", "^day:"),
  joint("log_volume ~ day * arm + (1 + day | mouse)", "^(day|day:.*)$"),
  joint("log_volume ~ day * arm + (1 + day | mouse)", "arm"),
  joint("log_volume ~ day * arm * map2k4 + (1 + day | pdx_model/mouse)", ":map2k4"),
  joint("log_volume ~ day * arm + (1 | cage) + (1 | mouse)", "day")))
write(toJSON(result, auto_unbox = TRUE, digits = 12, pretty = TRUE), "joint.json")
