# Reference values for tests/analysis/test_survival.py. Run from this folder: Rscript times.R
# Input: times.csv, invented times of four arms in three PDX models, with ties within and between arms.
library(survival)
library(jsonlite)
times <- read.csv("times.csv", stringsAsFactors = FALSE)
times$arm <- factor(times$arm, levels = c("vehicle", "A", "B", "AB"))

logrank <- function(test) {
  list(chisq = test$chisq, df = length(test$n) - 1,
       p = pchisq(test$chisq, length(test$n) - 1, lower.tail = FALSE))
}
cox <- function(fit) {
  table <- coef(summary(fit))
  data.frame(arm = sub("^arm", "", rownames(table)), estimate = table[, "coef"], se = table[, "se(coef)"],
             p = table[, "Pr(>|z|)"], row.names = NULL)
}
curves <- summary(survfit(Surv(time, event) ~ arm, data = times))$table
out <- list(
  versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  logrank = logrank(survdiff(Surv(time, event) ~ arm, data = times)),
  logrank_by_model = logrank(survdiff(Surv(time, event) ~ arm + strata(pdx_model), data = times)),
  medians = setNames(as.list(curves[, "median"]), sub("^arm=", "", rownames(curves))),
  cox = cox(coxph(Surv(time, event) ~ arm, data = times, control = coxph.control(eps = 1e-12))),
  cox_by_model = cox(coxph(Surv(time, event) ~ arm + strata(pdx_model), data = times,
                           control = coxph.control(eps = 1e-12)))
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE), "times.json")
