# Reference values for tests/analysis/test_sensitivity.py: curves of other shapes. Run here: Rscript shapes.R
# Input: study.csv, PDX model PDX-1, day 0 to 17. The eGaIT to day T is 2/T^2 times the area of the arm's curve less the
# control's, both from their value at day 0; of a spline by integrate(), of daily means by trapezoids. Tight optima.
library(lme4)
library(pbkrtest)
library(splines)
library(jsonlite)
study <- read.csv("study.csv", stringsAsFactors = FALSE)
study <- study[study$day >= 0 & study$day <= 17 & study$pdx_model == "PDX-1", ]
study$log_volume <- log(study$volume_mm3)
study$arm <- factor(study$arm, levels = c("vehicle", "A", "A+B", "B"))
days <- sort(unique(study$day))
end <- max(days)
knots <- quantile(days, c(1, 2) / 3)

tight <- function(formula, data) {
  fit <- lmer(formula, data, REML = TRUE, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE))
  for (i in 1:5) {
    start <- getME(fit, "theta")
    fit <- update(fit, start = start, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
      optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 1e5)))
  }
  fit
}
contrast <- function(fit, row) {
  adjusted <- vcovAdj(fit)
  estimate <- sum(row * fixef(fit))
  list(estimate = estimate, se = sqrt(as.numeric(t(row) %*% as.matrix(adjusted) %*% row)),
       df = as.numeric(Lb_ddf(row, vcov(fit), adjusted)))
}
columns <- function(formula, day, arm)
  model.matrix(formula, data.frame(day = day, arm = factor(arm, levels = levels(study$arm))))
apart <- function(formula, day, arm) columns(formula, day, arm) - columns(formula, day, "vehicle")
arms <- setNames(nm = c("A", "A+B", "B"))

spline <- ~ ns(day, knots = knots, Boundary.knots = c(0, end)) * arm
m2 <- tight(update(spline, log_volume ~ . + (1 + day | mouse)), study)
by_spline <- lapply(arms, function(arm) contrast(m2, sapply(seq_along(fixef(m2)), function(k) {
  risen <- function(t) (apart(spline, t, arm) - apart(spline, 0 * t, arm))[, k]
  2 / end^2 * sum(mapply(function(a, b) integrate(risen, a, b, rel.tol = 1e-12)$value, c(0, knots), c(knots, end)))
})))

daily <- ~ factor(day, levels = days) * arm
m3 <- tight(update(daily, log_volume ~ . + (1 + day | mouse)), study)
by_day <- lapply(arms, function(arm) {
  rows <- apart(daily, days, arm)
  risen <- sweep(rows, 2, rows[1, ])
  contrast(m3, 2 / end^2 * colSums(diff(days) * (risen[-1, ] + risen[-length(days), ]) / 2))
})

first <- study[study$day == 0, ]
later <- study[study$day > 0, ]
later$log_rtv <- later$log_volume - first$log_volume[match(later$mouse, first$mouse)]
for (arm in arms) later[[make.names(paste0("day_", arm))]] <- later$day * (later$arm == arm)
m1c <- tight(log_rtv ~ 0 + day + day_A + day_A.B + day_B + (0 + day | mouse), later)
through_origin <- lapply(arms, function(arm)
  contrast(m1c, as.numeric(names(fixef(m1c)) == make.names(paste0("day_", arm)))))

out <- list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                            pbkrtest = as.character(packageVersion("pbkrtest"))),
            spline = by_spline, days = by_day, through_origin = through_origin)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "shapes.json")
