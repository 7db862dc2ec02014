"""Linear mixed models by restricted maximum likelihood, from sufficient statistics per group.

The public face is `studies.analysis.mixed_model.fit_lmm`; docs/methods.md tells the formulas.
Reading order: formula, design, structure, elimination, criterion, optimum, jets, inference, multivariate_t.
"""
