# Reference values for tests/analysis/test_survival_estimates.py. Run from this folder: Rscript estimates.R
# Input: times.csv (see times.R). Every third mouse without an event is taken to have left for toxicity.
# Firth's penalized Cox is maximized here over R's own partial likelihood and information at fixed coefficients.
library(survival)
library(jsonlite)
times <- read.csv("times.csv", stringsAsFactors = FALSE)
times$arm <- factor(times$arm, levels = c("vehicle", "A", "B", "AB"))
left <- which(times$event == 0)
times$cause <- ifelse(times$event == 1, "event", "censored")
times$cause[left[seq_along(left) %% 3 == 0]] <- "toxicity"
times$cause <- factor(times$cause, levels = c("censored", "event", "toxicity"))

km <- survfit(Surv(time, event) ~ arm, data = times, conf.type = "log-log")
curve <- summary(km)
medians <- summary(km)$table
tau <- min(tapply(times$time, times$arm, max))
restricted <- summary(survfit(Surv(time, event) ~ arm, data = times), rmean = tau)$table
incidence <- do.call(rbind, lapply(levels(times$arm), function(arm) {
  fit <- survfit(Surv(time, cause) ~ 1, data = times[times$arm == arm, ])
  last <- nrow(fit$pstate)
  data.frame(arm = arm, cause = fit$states[-1], share = fit$pstate[last, -1], se = fit$std.err[last, -1])
}))
fit <- coxph(Surv(time, event) ~ arm, data = times, control = coxph.control(eps = 1e-12))
stratified <- coxph(Surv(time, event) ~ arm + strata(pdx_model), data = times, control = coxph.control(eps = 1e-12))
zph <- function(fit) as.list(setNames(cox.zph(fit)$table["GLOBAL", ], c("chisq", "df", "p")))

penalized <- function(data, beta) {
  held <- coxph(Surv(time, event) ~ arm, data = data, init = beta, control = coxph.control(iter.max = 0))
  held$loglik[1] - 0.5 * as.numeric(determinant(vcov(held))$modulus)
}
firth <- function(data) {
  data$arm <- droplevels(data$arm)
  p <- nlevels(data$arm) - 1
  found <- optim(rep(0, p), function(beta) -penalized(data, beta), method = "BFGS",
                 control = list(reltol = 1e-15, maxit = 500))
  held <- suppressWarnings(coxph(Surv(time, event) ~ arm, data = data, init = found$par,
                                 control = coxph.control(iter.max = 0)))
  null <- if (p == 1) 2 * (-found$value - penalized(data, 0)) else NULL
  list(beta = I(found$par), se = I(sqrt(diag(vcov(held)))), gain = null)
}
eventless <- times[times$arm %in% c("vehicle", "AB"), ]
eventless$event[eventless$arm == "AB"] <- 0
out <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  curve = data.frame(arm = sub("^arm=", "", curve$strata), day = curve$time, free = curve$surv,
                     ci_low = curve$lower, ci_high = curve$upper),
  medians = data.frame(arm = sub("^arm=", "", rownames(medians)), low = medians[, "0.95LCL"],
                       high = medians[, "0.95UCL"]),
  tau = tau,
  restricted = data.frame(arm = sub("^arm=", "", rownames(restricted)), days = restricted[, "rmean"],
                          se = restricted[, "se(rmean)"]),
  incidence = incidence,
  zph = zph(fit), zph_by_model = zph(stratified),
  firth = firth(times), firth_eventless = firth(eventless)
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE), "estimates.json")
