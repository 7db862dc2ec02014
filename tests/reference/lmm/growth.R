# Writes growth.json: what lme4 (tight optima), lmerTest, pbkrtest, emmeans and nlme compute on growth.csv.
#     Rscript growth.R        (in this folder; Debian: r-cran-lmertest r-cran-pbkrtest r-cran-emmeans r-cran-jsonlite)
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(nlme); library(jsonlite)})
emm_options(pbkrtest.limit = 1e5, lmerTest.limit = 1e5)
growth <- read.csv("growth.csv", stringsAsFactors = TRUE)
growth$arm <- factor(growth$arm, levels = c("Vehicle", "A", "A+B"))
growth$map2k4 <- factor(growth$map2k4, levels = c("wild_type", "loss_of_function"))

fit_once <- function(formula, table, start = NULL, ...) suppressMessages(suppressWarnings(
  lmerTest::lmer(formula, table, weights = .w, start = start,
                 control = lmerControl(check.conv.singular = "ignore", ...))))

# lme4's default stops too early: go on from where it stopped and from elsewhere, in small steps
tight_fit <- function(formula, table) {
  best <- fit_once(formula, table)
  for (start in c(NA, 0.1, 1)) for (step in 1:3) {
    theta <- if (is.na(start)) getME(best, "theta") else ifelse(getME(best, "lower") == 0, start, 0)
    again <- fit_once(formula, table, theta, optimizer = "bobyqa",
                      optCtrl = list(maxfun = 1e5, rhobeg = 0.02, rhoend = 1e-10))
    if (logLik(again) > logLik(best)) best <- again
  }
  best
}

rows <- function(table) lapply(seq_len(nrow(table)), function(i) as.list(table[i, , drop = FALSE]))

reference <- function(formula, weight_column = "") {
  growth$.w <- if (weight_column == "") 1 else growth[[weight_column]]
  fit <- tight_fit(as.formula(formula), growth)
  adjusted <- vcovAdj(fit)
  estimates <- fixef(fit)
  df <- sapply(seq_along(estimates), function(i) Lb_ddf(as.numeric(seq_along(estimates) == i), vcov(fit), adjusted))
  satterthwaite <- coef(summary(fit, ddf = "Satterthwaite"))
  components <- as.data.frame(VarCorr(fit))
  list(formula = formula, weights = weight_column, loglik = as.numeric(logLik(fit)), singular = isSingular(fit),
       sigma = sigma(fit),
       components = rows(components[, c("grp", "var1", "var2", "vcov")]),
       fixed = rows(data.frame(term = names(estimates), estimate = estimates, kr_se = sqrt(diag(as.matrix(adjusted))),
                               kr_df = df, se = satterthwaite[, "Std. Error"], df = satterthwaite[, "df"])))
}

growth$.w <- 1
start <- getME(tight_fit(log_volume ~ day * arm + (1 + day | mouse), growth), "theta")
m1 <- lmerTest::lmer(log_volume ~ day * arm + (1 + day | mouse), data = growth, start = start,
                     control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.002, rhoend = 1e-10)))
trend <- emtrends(m1, ~ arm, var = "day", lmer.df = "kenward-roger")
contrast_rows <- function(adjust) {
  set.seed(1)
  rows(as.data.frame(summary(contrast(trend, "trt.vs.ctrl", adjust = adjust))))
}
joint <- KRmodcomp(m1, cbind(matrix(0, 2, 4), diag(2)))
slopes <- list(slopes = rows(as.data.frame(summary(trend))), none = contrast_rows("none"),
               holm = contrast_rows("holm"), mvt = contrast_rows("mvt"),
               joint = as.list(joint$test["Ftest", c("stat", "ndf", "ddf", "p.value")]))

by_arm <- nlme::lme(log_volume ~ day * arm, random = ~ 1 + day | mouse, data = growth,
                    weights = nlme::varIdent(form = ~ 1 | arm), method = "REML",
                    control = nlme::lmeControl(opt = "optim", maxIter = 200, msMaxIter = 500, reltol = 1e-14, tolerance = 1e-10))
ratios <- coef(by_arm$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
carried <- nlme::lme(log_volume ~ day * arm, random = ~ 1 | mouse, data = growth,
                     correlation = nlme::corCAR1(0.5, form = ~ day | mouse), method = "REML",
                     control = nlme::lmeControl(opt = "optim", maxIter = 200, msMaxIter = 500, reltol = 1e-14, tolerance = 1e-10))

result <- list(
  versions = lapply(list(lme4 = "lme4", lmerTest = "lmerTest", pbkrtest = "pbkrtest", emmeans = "emmeans", nlme = "nlme"),
                    function(name) as.character(packageVersion(name))),
  fits = list(
    reference("log_volume ~ day * arm + (1 + day | mouse)"),
    reference("log_volume ~ day * arm + (day || mouse)"),
    reference("log_volume ~ day * arm + (1 | mouse)"),
    reference("log_volume ~ 0 + day:arm + (0 + day | mouse)"),
    reference("log_volume ~ day * arm * map2k4 + (1 + day | pdx_model/mouse)"),
    reference("log_volume ~ day * map2k4 + day:arm + day:arm:map2k4 + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day | mouse)"),
    reference("log_volume ~ day * arm + I(day^2) + (1 | cage) + (1 + day | mouse)"),
    reference("log_volume ~ poly(day, 2) * arm + factor(pdx_model) + (1 + day | mouse)"),
    reference("log_volume ~ day * arm + (1 + day | mouse)", "weight"),
    reference("flat ~ day * arm + (1 + day | mouse)"),
    reference("flat ~ day * arm + (1 + day | pdx_model/mouse)")),
  slopes = slopes,
  by_arm = list(loglik = as.numeric(logLik(by_arm)), sigma = by_arm$sigma, ratios = as.list(ratios),
                estimates = as.list(nlme::fixef(by_arm))),
  car1 = list(loglik = as.numeric(logLik(carried)), phi = as.numeric(coef(carried$modelStruct$corStruct, unconstrained = FALSE)),
              sigma = carried$sigma, estimates = as.list(nlme::fixef(carried)), se = as.list(sqrt(diag(carried$varFix)))))
write_json(result, "growth.json", digits = 15, auto_unbox = TRUE, pretty = TRUE, null = "null")
