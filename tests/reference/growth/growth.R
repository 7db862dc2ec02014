# Reference values for tests/analysis/test_growth.py and test_tgi.py. Run from this folder: Rscript growth.R
# Input: growth.csv, invented curves of two arms with uneven visits.
library(jsonlite)
curves <- read.csv("growth.csv", stringsAsFactors = FALSE)
rates <- sapply(split(curves, curves$mouse), function(mouse) coef(lm(log(volume_mm3) ~ day, mouse))[["day"]])
start <- curves[curves$day == 0, c("mouse", "arm", "volume_mm3")]
end <- curves[curves$day == 21, c("mouse", "volume_mm3")]
both <- merge(start, end, by = "mouse", suffixes = c("_0", "_21"))
both$arm <- factor(both$arm, levels = c("vehicle", "drug"))
fit <- lm(log(volume_mm3_21) ~ log(volume_mm3_0) + arm, both)
effect <- coef(summary(fit))["armdrug", ]
out <- list(
  versions = list(R = R.version.string),
  rates = as.list(rates),
  model = list(estimate = effect[["Estimate"]], se = effect[["Std. Error"]], df = fit$df.residual,
               ci = unname(confint(fit)["armdrug", ]))
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "growth.json")
