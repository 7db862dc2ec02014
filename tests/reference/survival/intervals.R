# Reference values for tests/analysis/test_interval_censored.py. Run from this folder: Rscript intervals.R
# Input: times.csv (see times.R), its times read only at visits: an event lies in (after, by]. Curves by Turnbull's
# estimate (survfit, interval2). Score of a hazard ratio at 1 where all mice share visits: that of a binomial model with
# complementary log-log link on mouse-visits, which is Finkelstein's (1986, Biometrics 42:845).
library(survival)
library(jsonlite)
times <- read.csv("times.csv", stringsAsFactors = FALSE)
visits <- list(M1 = c(0, 3, 7, 10, 14, 17, 21, 28, 35, 60), M2 = c(0, 4, 8, 12, 16, 20, 24, 30, 60),
               M3 = c(0, 5, 9, 15, 22, 33, 60))
read_at <- function(day, days, event) {
  by <- min(days[days >= day])
  if (event) c(max(days[days < day]), by) else c(max(days[days <= day]), NA)
}
known <- t(mapply(function(model, day, event) read_at(day, visits[[model]], event), times$pdx_model, times$time, times$event))
times$after <- known[, 1]
times$by <- known[, 2]

# survfit stops at a change of 5e-5, so the likelihood it came to is compared as well
arms <- c("vehicle", "A", "B", "AB")
days <- c(5, 9, 14, 21, 30)
free <- lapply(setNames(nm = arms), function(arm) {
  fit <- survfit(Surv(after, by, type = "interval2") ~ 1, data = times[times$arm == arm, ])
  approx(c(0, fit$time), c(1, fit$surv), xout = days, method = "constant", rule = 2)$y
})

# two models with common visits: one row a mouse and visit lived to
score <- function(arm, model) {
  mice <- times[times$pdx_model == model & times$arm %in% c("vehicle", arm), ]
  rows <- do.call(rbind, lapply(seq_len(nrow(mice)), function(i) {
    last <- if (is.na(mice$by[i])) mice$after[i] else mice$by[i]
    seen <- visits[[model]][visits[[model]] > 0 & visits[[model]] <= last]
    data.frame(visit = factor(seen, levels = visits[[model]]), treated = mice$arm[i] == arm,
               happened = as.numeric(!is.na(mice$by[i]) & seen == mice$by[i]))
  }))
  varying <- names(which(tapply(rows$happened, droplevels(rows$visit), mean) > 0))
  rows <- droplevels(rows[rows$visit %in% varying, ])
  null <- suppressWarnings(glm(happened ~ 0 + visit, family = binomial(cloglog), data = rows,
                               control = glm.control(epsilon = 1e-14, maxit = 100)))
  sum(rows$treated * residuals(null, "working") * weights(null, "working"))
}
out <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  after = times$after, by = times$by, days = days, free = free,
  scores = lapply(setNames(nm = arms[-1]), function(arm) sum(sapply(c("M1", "M2"), function(m) score(arm, m))))
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null"), "intervals.json")
