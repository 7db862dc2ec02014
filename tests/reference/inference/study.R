# Reference values for tests/analysis/test_inference.py, test_biomarker.py, test_synergy.py. Run here: Rscript study.R
# Input: study.csv, an invented study of 6 PDX models x 4 arms x 3 mice. Window: day 0 to 17 (fits), tight optima.
library(lme4)
library(pbkrtest)
library(jsonlite)
study <- read.csv("study.csv", stringsAsFactors = FALSE)
study <- study[study$day >= 0 & study$day <= 17, ]
study$log_volume <- log(study$volume_mm3)
study$arm <- factor(study$arm, levels = c("vehicle", "A", "A+B", "B"))
study$map2k4 <- factor(study$map2k4_status, levels = c("wild_type", "loss_of_function"))

tight <- function(formula, data) {
  fit <- lmer(formula, data, REML = TRUE, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE))
  for (i in 1:5) {
    start <- getME(fit, "theta")
    fit <- update(fit, start = start, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
      optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 1e5)))
  }
  fit
}
contrast <- function(fit, adjusted, weights) {
  row <- setNames(rep(0, length(fixef(fit))), names(fixef(fit)))
  row[names(weights)] <- weights
  estimate <- sum(row * fixef(fit))
  se <- sqrt(as.numeric(t(row) %*% as.matrix(adjusted) %*% row))
  df <- as.numeric(Lb_ddf(row, vcov(fit), adjusted))
  list(estimate = estimate, se = se, df = df, p = 2 * pt(-abs(estimate / se), df))
}

m4 <- tight(log_volume ~ day * map2k4 + day:arm + day:arm:map2k4 + (1 + day | pdx_model) + (0 + day | pdx_model:arm) +
              (1 + day | mouse), study)
a4 <- vcovAdj(m4)
slope <- function(arm) paste0("day:arm", arm)
both <- function(arm) paste0("day:map2k4loss_of_function:arm", arm)
effects <- lapply(setNames(nm = c("A", "B", "A+B")), function(arm) list(
  overall = contrast(m4, a4, setNames(c(1, 0.5), c(slope(arm), both(arm)))),
  wild_type = contrast(m4, a4, setNames(1, slope(arm))),
  loss_of_function = contrast(m4, a4, setNames(c(1, 1), c(slope(arm), both(arm)))),
  interaction = contrast(m4, a4, setNames(1, both(arm)))))

one <- study[study$pdx_model == "PDX-1", ]
m1 <- tight(log_volume ~ day * arm + (1 + day | mouse), one)
a1 <- vcovAdj(m1)
m1_effects <- lapply(setNames(nm = c("A", "B", "A+B")), function(arm) contrast(m1, a1, setNames(1, slope(arm))))

m2 <- tight(log_volume ~ day * arm + I(day^2) * arm + (1 + day | mouse), one)
squares <- grep("I(day^2)", names(fixef(m2)), fixed = TRUE)
compared <- KRmodcomp(m2, diag(length(fixef(m2)))[squares, ])
test <- sapply(c("Fstat", "ndf", "ddf", "p.value"), function(name) getKR(compared, name))

rates <- sapply(split(study, study$mouse), function(mouse) coef(lm(log_volume ~ day, mouse))[["day"]])
mice <- unique(study[, c("mouse", "arm", "pdx_model", "map2k4")])
mice$rate <- rates[mice$mouse]
means <- tapply(mice$rate, list(mice$pdx_model, mice$arm), mean)
variance <- summary(lm(rate ~ pdx_model * arm, mice[mice$arm %in% c("vehicle", "A"), ]))$sigma^2
effect <- means[, "A"] - means[, "vehicle"]
v <- variance * (1 / 3 + 1 / 3)
reml <- function(tau2) {
  w <- 1 / (v + rep(tau2, length(effect)))
  m <- sum(w * effect) / sum(w)
  0.5 * sum(log(w)) - 0.5 * log(sum(w)) - 0.5 * sum(w * (effect - m)^2)
}
tau2 <- optimize(reml, c(0, 0.01), maximum = TRUE, tol = 1e-14)$maximum
status <- mice$map2k4[match(names(effect), mice$pdx_model)]
groups <- t.test(effect[status == "loss_of_function"], effect[status == "wild_type"], var.equal = TRUE)
welch <- t.test(effect[status == "loss_of_function"], effect[status == "wild_type"])

out <- list(
  versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  pbkrtest = as.character(packageVersion("pbkrtest"))),
  m4 = list(logLik = as.numeric(logLik(m4)), effects = effects,
            bliss = contrast(m4, a4, setNames(c(1, 0.5, -1, -0.5, -1, -0.5), c(slope("A+B"), both("A+B"), slope("A"),
                             both("A"), slope("B"), both("B"))))),
  m1 = list(logLik = as.numeric(logLik(m1)), effects = m1_effects,
            bliss = contrast(m1, a1, setNames(c(1, -1, -1), slope(c("A+B", "A", "B"))))),
  curvature = as.list(test),
  model_level = list(effect = as.list(effect), se = sqrt(v), tau2 = tau2, difference = unname(-diff(rev(groups$estimate))),
                     p = groups$p.value, df = unname(groups$parameter), welch_p = welch$p.value)
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "study.json")
