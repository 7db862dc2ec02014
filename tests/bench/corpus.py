"""Five hundred random, unbalanced and singular growth studies, the same on every machine."""

import numpy as np
import pandas as pd

SETS = 500
ONE_MODEL = (
    "y ~ day * arm + (1 + day | mouse)",
    "y ~ day * arm + (day || mouse)",
    "y ~ day + day:arm + (1 + day | mouse)",
    "y ~ day * arm + (1 | mouse)",
)
SEVERAL_MODELS = (
    "y ~ day * arm + (1 + day | pdx_model/mouse)",
    "y ~ day * arm + (1 | pdx_model/mouse)",
    "y ~ day * arm + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day | mouse)",
    "y ~ day * arm + (1 + day | pdx_model) + (1 | mouse)",
)


def corpus_set(number: int) -> tuple[str, pd.DataFrame]:
    """Formula and readings of one set: arms of unequal size, early exits, missed visits, variances that may be 0."""
    random = np.random.default_rng([20, number])
    several = number % 2 == 1
    formula = (SEVERAL_MODELS if several else ONE_MODEL)[number // 2 % 4]
    models, arms = (int(random.integers(4, 9)) if several else 1), int(random.integers(1, 5))
    formula = formula if arms > 1 else formula.replace("day * arm", "day").replace(" + day:arm", "")
    formula = formula.replace(" + (0 + day | pdx_model:arm)", "") if arms == 1 else formula
    per_arm = random.integers(2, 4 if several else 9, (models, arms))
    mice = pd.DataFrame(
        [(f"P{model}", f"A{arm}", f"P{model}A{arm}M{mouse}")
         for model in range(models) for arm in range(arms) for mouse in range(per_arm[model, arm])],
        columns=["pdx_model", "arm", "mouse"],
    )  # fmt: skip
    noise = random.choice([0.05, 0.15, 0.4])
    levels, slopes = _effects(random, len(mice))
    codes = pd.factorize(mice["pdx_model"])[0]
    if several:
        above = _effects(random, models)
        levels, slopes = levels + above[0][codes], slopes + above[1][codes]
    slopes = slopes + 0.08 - 0.02 * pd.factorize(mice["arm"])[0]
    days = np.sort(random.choice(np.arange(0, 40), int(random.integers(4, 11)), replace=False)).astype(float)
    parts = []
    for index, row in enumerate(mice.itertuples(index=False)):
        last = int(random.integers(2, len(days) + 1)) if random.random() < 0.4 else len(days)
        seen = days[:last][random.random(last) > 0.1]
        seen = seen if len(seen) else days[:1]
        y = 5 + levels[index] + slopes[index] * seen + random.normal(0, noise, len(seen))
        parts.append(pd.DataFrame({**row._asdict(), "day": seen, "y": y}))
    return formula, pd.concat(parts, ignore_index=True).assign(set=number)


def _effects(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels and slopes whose variances may be 0 and whose correlation may be 1 or -1."""
    level, slope = random.choice([0.0, 0.05, 0.3]), random.choice([0.0, 0.002, 0.02])
    correlation = random.choice([-1.0, -0.6, 0.0, 0.9, 1.0])
    first, second = random.normal(size=(2, count))
    return level * first, slope * (correlation * first + np.sqrt(1 - correlation**2) * second)
