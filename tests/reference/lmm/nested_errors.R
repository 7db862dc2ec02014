# Residuals with an SD an arm, and correlated in continuous time, under three nested levels (nlme).
# Rscript nested_errors.R, from this folder; writes nested_errors.json.
suppressMessages({library(nlme); library(jsonlite)})
growth <- read.csv("growth.csv", na.strings = "")
growth$cell <- interaction(growth$pdx_model, growth$arm, drop = TRUE)
growth$arm <- factor(growth$arm)
random <- list(pdx_model = ~ 1, cell = ~ 0 + day, mouse = ~ 1)
control <- lmeControl(maxIter = 500, msMaxIter = 2000, msTol = 1e-12, tolerance = 1e-10, niterEM = 100, opt = "nlminb")
fit <- function(correlation, weights) {
  lme(log_volume ~ day * arm, random = random, data = growth, method = "REML", correlation = correlation,
      weights = weights, control = control)
}
describe <- function(fit) {
  phi <- if (is.null(fit$modelStruct$corStruct)) NULL else unname(coef(fit$modelStruct$corStruct, unconstrained = FALSE))
  ratio <- if (is.null(fit$modelStruct$varStruct)) NULL else
    as.list(coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE))
  table <- summary(fit)$tTable
  list(loglik = as.numeric(logLik(fit)), sigma = fit$sigma, phi = phi, ratio = ratio,
       coefficients = as.list(table[, "Value"]), se = as.list(table[, "Std.Error"]))
}
by_arm <- varIdent(form = ~ 1 | arm)
in_time <- corCAR1(0.5, form = ~ day | pdx_model/cell/mouse)
write_json(list(by_arm = describe(fit(NULL, by_arm)), in_time = describe(fit(in_time, NULL)),
                both = describe(fit(in_time, by_arm))), "nested_errors.json", digits = 10, auto_unbox = TRUE, pretty = TRUE)
