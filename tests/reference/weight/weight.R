# Reference values for tests/analysis/test_weight.py. Run from this folder: Rscript weight.R
# Input: weight.csv, invented body weights of three arms of five mice.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
weights <- read.csv("weight.csv", stringsAsFactors = FALSE)
start <- with(weights[weights$day == 0, ], setNames(weight_g, mouse))
weights$percent <- 100 * (weights$weight_g - start[weights$mouse]) / start[weights$mouse]
weights$arm <- factor(weights$arm, levels = c("vehicle", "A", "B"))
later <- weights[weights$day > 0, ]
fit <- lmer(percent ~ day * arm + (1 + day | mouse), data = later,
            control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6)))
means <- tapply(later$percent, list(later$arm, later$day), mean)
rows <- list()
for (at in c("nadir", "end of window")) for (arm in c("A", "B")) {
  day <- if (at == "nadir") as.numeric(colnames(means)[which.min(means[arm, ])]) else max(later$day)
  l <- setNames(numeric(length(fixef(fit))), names(fixef(fit)))
  l[c(paste0("arm", arm), paste0("day:arm", arm))] <- c(1, day)
  test <- contest1D(fit, l, ddf = "Kenward-Roger")
  rows[[length(rows) + 1]] <- data.frame(arm = arm, at = at, day = day, estimate = test$Estimate,
                                         se = test$`Std. Error`, df = test$df, p = test$`Pr(>|t|)`)
}
out <- list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                            pbkrtest = as.character(packageVersion("pbkrtest"))),
            contrasts = do.call(rbind, rows))
write(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null", pretty = TRUE), "weight.json")
