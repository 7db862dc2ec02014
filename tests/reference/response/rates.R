# Reference values for tests/analysis/test_response_criteria.py. Run from this folder: Rscript rates.R
library(jsonlite)
exact <- lapply(list(c(0, 5), c(2, 5), c(7, 8), c(8, 8)), function(x) {
  list(successes = x[1], n = x[2], interval = 100 * as.numeric(binom.test(x[1], x[2])$conf.int),
       wilson = 100 * as.numeric(prop.test(x[1], x[2], correct = FALSE)$conf.int))
})
fisher <- lapply(list(c(3, 5, 0, 8), c(6, 2, 1, 7), c(4, 4, 4, 4), c(0, 8, 0, 8), c(10, 2, 3, 15)), function(x) {
  list(counts = x, p = fisher.test(matrix(x, 2, byrow = TRUE))$p.value)
})
trend <- lapply(list(list(c(1, 2, 3, 2), c(5, 2, 1, 0)), list(c(3, 3, 0, 0), c(2, 3, 1, 0))), function(x) {
  n <- x[[1]] + x[[2]]
  used <- n > 0
  test <- suppressWarnings(prop.trend.test(x[[1]][used], n[used], score = (0:3)[used]))
  list(treated = x[[1]], control = x[[2]], chisq = as.numeric(test$statistic), p = test$p.value)
})
out <- list(versions = list(R = R.version.string), exact = exact, fisher = fisher, trend = trend)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "rates.json")
