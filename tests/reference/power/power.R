# Power of two-sided t tests by R's own noncentral t, and Dunnett's critical values by numerical integration.
# Rscript power.R > power.json
library(jsonlite)
days <- c(0, 3, 7, 10, 14, 17, 21)
slope_variance <- function(sb, s) sb^2 + s^2 / sum((days - mean(days))^2)
two_sided <- function(shift, df, critical)
  pt(critical, df, shift, lower.tail = FALSE) + pt(-critical, df, shift)
# With one control T_i = (sqrt(rho) u + sqrt(1 - rho) e_i) / s: two nested integrals (qmvt is random to 5e-4).
exceeds <- function(critical, k, df, rho) {
  within <- function(s) sapply(s, function(s) integrate(function(u) {
    high <- (critical * s - sqrt(rho) * u) / sqrt(1 - rho)
    low <- (-critical * s - sqrt(rho) * u) / sqrt(1 - rho)
    dnorm(u) * (pnorm(high) - pnorm(low))^k
  }, -10, 10, rel.tol = 1e-12, subdivisions = 1000)$value)
  scale <- function(s) 2 * df * s * dchisq(df * s^2, df)
  1 - integrate(function(s) scale(s) * within(s), 0, 8, rel.tol = 1e-11, subdivisions = 2000)$value
}
dunnett <- function(k, df, rho) uniroot(function(c) exceeds(c, k, df, rho) - 0.05, c(1.5, 5), tol = 1e-10)$root

contrast <- expand.grid(sb = c(0.02, 0.03), n = c(3, 5, 8), effect = c(-0.033, 0.06))
contrast$power <- with(contrast, mapply(function(sb, n, effect) {
  # power.t.test takes the SD of one slope and knows only two arms
  power.t.test(n, abs(effect), sqrt(slope_variance(sb, 0.15)), strict = TRUE)$power
}, sb, n, effect))

shared <- expand.grid(k = c(2, 3), n = c(4, 10), ratio = c(1, 2))
shared$df <- with(shared, n * (k + ratio) - k - 1)
shared$critical <- with(shared, mapply(function(k, df, ratio) dunnett(k, df, 1 / (1 + ratio)), k, df, ratio))
shared$power <- with(shared, two_sided(0.05 / sqrt(slope_variance(0.02, 0.15) / n * (1 + 1 / ratio)), df, critical))

bliss <- data.frame(n = c(5, 10, 17))
bliss$power <- with(bliss, two_sided(0.03 / sqrt(4 * slope_variance(0.02, 0.15) / n), 4 * (n - 1),
                                     qt(0.975, 4 * (n - 1))))

interaction <- expand.grid(models = c(3, 6, 11), mice = c(1, 3, 8))
interaction$power <- with(interaction, two_sided(
  0.04 / sqrt(2 * (0.025^2 + 2 * slope_variance(0.02, 0.15) / mice) / models), 2 * models - 2,
  qt(0.975, 2 * models - 2)))

# three arms against one vehicle, mouse SD 0.03, TGI 50 % by day 21: what one mouse an arm less or more gives
three <- data.frame(n = c(18, 19, 20))
three$shift <- log(2) / 21 / sqrt(2 * slope_variance(0.03, 0.15) / three$n)
three$dunnett <- with(three, mapply(function(n, shift) two_sided(shift, 4 * n - 4, dunnett(3, 4 * n - 4, 0.5)), n, shift))
three$bonferroni <- with(three, two_sided(shift, 4 * n - 4, qt(1 - 0.05 / 6, 4 * n - 4)))

cat(toJSON(list(three = three, contrast = contrast, shared = shared, bliss = bliss, interaction = interaction),
           digits = 12, pretty = TRUE), "\n")
