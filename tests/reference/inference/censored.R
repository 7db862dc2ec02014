# Without random effects the left-censored model is Tobit's: survreg with a normal distribution, on the same table.
# Run in this folder: Rscript censored.R > censored.json
suppressMessages({library(survival); library(jsonlite)})
table <- read.csv("censored.csv")
limit <- log(13.5)
seen <- table$volume_mm3 >= 13.5
y <- ifelse(seen, log(pmax(table$volume_mm3, 1e-9)), limit)
table$arm <- factor(table$arm, levels = c("vehicle", "drug"))
fit <- survreg(Surv(y, seen, type = "left") ~ day * arm, data = table, dist = "gaussian",
               control = survreg.control(rel.tolerance = 1e-12, maxiter = 100))
cat(toJSON(list(coefficients = as.list(coef(fit)), sigma = fit$scale, loglik = fit$loglik[2],
                se = sqrt(diag(fit$var))), digits = 12, auto_unbox = TRUE, pretty = TRUE))
