# Reference values for tests/analysis/test_growth_arms.py. Run from this folder: Rscript arms.R
# Growth rates of single mice, and the limits of Fieller's set found by bisection of its defining equation.
library(jsonlite)
treated <- c(0.021, 0.034, 0.018, 0.041, 0.029)
control <- c(0.081, 0.077, 0.092, 0.069, 0.088, 0.074)
test <- t.test(treated, control)
outside <- function(theta) {
  (mean(treated) - theta * mean(control))^2 -
    qt(0.975, length(treated) + length(control) - 2)^2 *
      (var(treated) / length(treated) + theta^2 * var(control) / length(control))
}
ratio <- mean(treated) / mean(control)
out <- list(versions = list(R = R.version.string), treated = treated, control = control,
            estimate = mean(treated) - mean(control), se = test$stderr, df = test$parameter, p = test$p.value,
            interval = as.numeric(test$conf.int),
            ratio = c(uniroot(outside, c(0, ratio), tol = 1e-14)$root, uniroot(outside, c(ratio, 2), tol = 1e-14)$root))
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "arms.json")
