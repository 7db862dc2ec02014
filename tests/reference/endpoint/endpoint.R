# Reference values for tests/analysis/test_endpoint_tests.py. Run from this folder: Rscript endpoint.R
# Input: endpoint.csv, invented volumes of four arms on one day, with ties.
suppressMessages({library(mvtnorm); library(jsonlite)})
data <- read.csv("endpoint.csv", stringsAsFactors = FALSE)
arms <- c("vehicle", "A", "B", "AB")
data$arm <- factor(data$arm, levels = arms)
data$y <- log(data$volume_mm3)
welch <- oneway.test(y ~ arm, data = data)
n <- tapply(data$y, data$arm, length); m <- tapply(data$y, data$arm, mean); v <- tapply(data$y, data$arm, var)
games <- NULL
for (i in 1:3) for (j in (i + 1):4) {
  a <- v[i] / n[i]; b <- v[j] / n[j]
  df <- (a + b)^2 / (a^2 / (n[i] - 1) + b^2 / (n[j] - 1)); se <- sqrt(a + b)
  games <- rbind(games, data.frame(control = arms[i], arm = arms[j], estimate = m[[j]] - m[[i]], se = se, df = df,
                                   p = ptukey(abs(m[[j]] - m[[i]]) / se * sqrt(2), 4, df, lower.tail = FALSE),
                                   half = qtukey(0.95, 4, df) / sqrt(2) * se))
}
fit <- lm(y ~ arm, data = data); table <- coef(summary(fit))[-1, ]
correlation <- cov2cor(vcov(fit)[-1, -1])
set.seed(1)  # the stored p of dunnett come from abseps = 1e-7, maxpts = 5e6, which take half a minute
adjusted <- sapply(abs(table[, "t value"]), function(t)
  1 - pmvt(rep(-t, 3), rep(t, 3), df = fit$df.residual, corr = correlation, algorithm = GenzBretz(abseps = 1e-6, maxpts = 1e6)))
kruskal <- kruskal.test(volume_mm3 ~ arm, data = data)
r <- rank(data$volume_mm3); N <- length(r); t <- table(data$volume_mm3)
ties <- 1 - sum(t^3 - t) / (N^3 - N)
mr <- tapply(r, data$arm, mean)
z <- (mr[-1] - mr[1]) / sqrt(N * (N + 1) / 12 * ties * (1 / n[-1] + 1 / n[1]))
p <- 2 * pnorm(-abs(z))
out <- list(versions = list(R = R.version.string, mvtnorm = as.character(packageVersion("mvtnorm"))),
  welch = list(statistic = welch$statistic, df1 = welch$parameter[[1]], df2 = welch$parameter[[2]], p = welch$p.value),
  games = games,
  dunnett = data.frame(arm = arms[-1], estimate = table[, 1], se = table[, 2], p = table[, 4], adjusted = adjusted),
  kruskal = list(statistic = kruskal$statistic, df = kruskal$parameter, p = kruskal$p.value),
  dunn = data.frame(arm = arms[-1], p = p, adjusted = p.adjust(p, "holm")))
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "endpoint.json")
