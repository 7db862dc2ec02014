# Reference values for tests/analysis/test_censored_nested.py. Run here: Rscript censored_models.R
# Writes censored_models.csv: 4 PDX models x 2 arms x 2 mice, readings below 13.5 mm3 as 0. Then the exact log-likelihood of M4 at
# given parameters, a PDX model's readings being jointly normal: density of those seen, times the normal probability of those
# below the limit given them (mvtnorm; exact up to three dimensions, Miwa's steps beyond).
library(mvtnorm)
library(jsonlite)
set.seed(1)
mice <- expand.grid(number = 1:2, arm = c("vehicle", "drug"), pdx_model = paste0("PDX-", 1:4), stringsAsFactors = FALSE)
mice$mouse <- paste(mice$pdx_model, mice$arm, mice$number)
growth <- setNames(rnorm(4, 0, 0.02), unique(mice$pdx_model))
mice$slope <- ifelse(mice$arm == "drug", -0.17, 0.07) + growth[mice$pdx_model] + rnorm(nrow(mice), 0, 0.02)
mice$level <- 5.2 + rnorm(nrow(mice), 0, 0.25)
study <- merge(mice, data.frame(day = c(0, 4, 9, 14, 20)))
volume <- exp(study$level + study$slope * study$day + rnorm(nrow(study), 0, 0.2))
study$volume_mm3 <- ifelse(volume < 13.5, 0, round(volume, 2))
study <- study[order(study$mouse, study$day), c("pdx_model", "arm", "mouse", "day", "volume_mm3")]
write.csv(study, "censored_models.csv", row.names = FALSE, quote = FALSE)

study <- read.csv("censored_models.csv", stringsAsFactors = FALSE)
limit <- log(13.5)
below <- study$volume_mm3 < 13.5
y <- ifelse(below, limit, log(pmax(study$volume_mm3, 1e-9)))
loglik <- function(p) {
  mean <- p$b[1] + p$b[2] * study$day + p$b[3] * (study$arm == "drug") * study$day
  total <- 0
  for (rows in split(seq_along(y), study$pdx_model)) {
    d <- study$day[rows]
    same <- function(name) outer(study[[name]][rows], study[[name]][rows], "==")
    z <- cbind(1, d)
    v <- z %*% p$model %*% t(z) + same("arm") * outer(d, d) * p$response + same("mouse") * (z %*% p$mouse %*% t(z)) +
      diag(p$sigma^2, length(rows))
    hidden <- below[rows]
    seen <- !hidden
    total <- total + dmvnorm(y[rows][seen], mean[rows][seen], v[seen, seen], log = TRUE)
    if (any(hidden)) {
      gain <- v[hidden, seen, drop = FALSE] %*% solve(v[seen, seen])
      at <- mean[rows][hidden] + gain %*% (y[rows][seen] - mean[rows][seen])
      rest <- v[hidden, hidden, drop = FALSE] - gain %*% v[seen, hidden, drop = FALSE]
      rest <- (rest + t(rest)) / 2
      n <- sum(hidden)
      chance <- if (n == 1) pnorm(limit, at, sqrt(rest)) else
        pmvnorm(upper = rep(limit, n), mean = as.numeric(at), sigma = rest,
                algorithm = if (n <= 3) TVPACK(1e-12) else Miwa(steps = 1024))
      total <- total + log(as.numeric(chance))
    }
  }
  total
}
pair <- function(sd1, sd2, r) matrix(c(sd1^2, r * sd1 * sd2, r * sd1 * sd2, sd2^2), 2)
points <- list(
  list(b = c(5.2, 0.07, -0.24), model = pair(0.1, 0.02, 0.3), response = 0.01^2, mouse = pair(0.25, 0.02, -0.3), sigma = 0.2),
  list(b = c(5.1, 0.08, -0.26), model = pair(0.2, 0.01, -0.5), response = 0.03^2, mouse = pair(0.2, 0.03, 0.2), sigma = 0.25),
  list(b = c(5.3, 0.06, -0.22), model = pair(0.05, 0.03, 0), response = 0.005^2, mouse = pair(0.3, 0.01, 0.5), sigma = 0.15)
)
out <- list(R = R.version.string, mvtnorm = as.character(packageVersion("mvtnorm")), below = sum(below),
            below_by_model = as.list(tapply(below, study$pdx_model, sum)),
            points = lapply(points, function(p) c(p, list(loglik = loglik(p)))))
write(toJSON(out, digits = 12, auto_unbox = TRUE, pretty = TRUE), "censored_models.json")
