# Reference values for tests/analysis/test_biomarker.py. Run here: Rscript alike.R
# Writes alike.csv, an invented study of 6 PDX models x 2 arms x 2 to 4 mice whose models respond alike: lme4 estimates the
# variance of (0 + day | pdx_model:arm) as 0. Then M4 by lme4 and pbkrtest, and the t test on the effects of the PDX models.
library(lme4)
library(pbkrtest)
library(jsonlite)
set.seed(20260102)
mice <- expand.grid(number = 1:4, arm = c("vehicle", "A"), pdx_model = paste0("PDX-", 1:6), stringsAsFactors = FALSE)
mice <- mice[mice$number <= rep(c(4, 3, 4, 2, 3, 4, 2, 3, 4, 4, 3, 3), each = 4), ]
level <- setNames(rnorm(6, 5.1, 0.15), unique(mice$pdx_model))
growth <- setNames(rnorm(6, 0.1, 0.015), unique(mice$pdx_model))
mice$mouse <- paste(mice$pdx_model, mice$arm, mice$number)
mice$level <- level[mice$pdx_model] + rnorm(nrow(mice), 0, 0.2)
mice$slope <- growth[mice$pdx_model] - 0.03 * (mice$arm == "A") + rnorm(nrow(mice), 0, 0.02)
study <- merge(mice, data.frame(day = c(0, 3, 7, 10, 14, 17)))
study$volume_mm3 <- round(exp(study$level + study$slope * study$day + rnorm(nrow(study), 0, 0.15)), 2)
study$map2k4_status <- ifelse(study$pdx_model %in% paste0("PDX-", 1:3), "wild_type", "loss_of_function")
study <- study[order(study$pdx_model, study$mouse, study$day), ]
write.csv(study[, c("pdx_model", "map2k4_status", "arm", "mouse", "day", "volume_mm3")], "alike.csv",
          row.names = FALSE, quote = FALSE)

study <- read.csv("alike.csv", stringsAsFactors = FALSE)
study$arm <- factor(study$arm, levels = c("vehicle", "A"))
study$map2k4 <- factor(study$map2k4_status, levels = c("wild_type", "loss_of_function"))
study$log_volume <- log(study$volume_mm3)
fit <- lmer(log_volume ~ day * map2k4 + day:arm + day:arm:map2k4 + (1 + day | pdx_model) + (0 + day | pdx_model:arm) +
              (1 + day | mouse), study, control = lmerControl(optimizer = "bobyqa", calc.derivs = FALSE))
for (i in 1:5) fit <- update(fit, start = getME(fit, "theta"), control = lmerControl(optimizer = "bobyqa",
  calc.derivs = FALSE, optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 1e5)))
adjusted <- vcovAdj(fit)
row <- setNames(as.numeric(names(fixef(fit)) == "day:map2k4loss_of_function:armA"), names(fixef(fit)))
se <- sqrt(as.numeric(t(row) %*% as.matrix(adjusted) %*% row))
df <- as.numeric(Lb_ddf(row, vcov(fit), adjusted))
estimate <- sum(row * fixef(fit))

rates <- sapply(split(study, study$mouse), function(mouse) coef(lm(log_volume ~ day, mouse))[["day"]])
mice <- unique(study[, c("mouse", "arm", "pdx_model", "map2k4")])
mice$rate <- rates[mice$mouse]
means <- tapply(mice$rate, list(mice$pdx_model, mice$arm), mean)
effect <- means[, "A"] - means[, "vehicle"]
loss <- mice$map2k4[match(names(effect), mice$pdx_model)] == "loss_of_function"
test <- t.test(effect[loss], effect[!loss], var.equal = TRUE)
out <- list(
  versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  pbkrtest = as.character(packageVersion("pbkrtest"))),
  response_sd = unname(attr(VarCorr(fit)[["pdx_model:arm"]], "stddev")),
  mixed_model = list(estimate = estimate, se = se, df = df, p_value = 2 * pt(-abs(estimate / se), df)),
  models = list(estimate = mean(effect[loss]) - mean(effect[!loss]), se = test$stderr, df = unname(test$parameter),
                p_value = test$p.value, ci_low = test$conf.int[1], ci_high = test$conf.int[2])
)
write(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = TRUE), "alike.json")
