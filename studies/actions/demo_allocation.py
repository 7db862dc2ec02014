"""The demo's randomization: within each PDX model, blocks of mice alike in volume, arms shuffled in each."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

METHOD = "ranked_blocks_within_pdx_model"
ALGORITHM_VERSION = "1"


@dataclass(frozen=True)
class AllocatedMouse:
    mouse: str
    arm: str
    block: str


def allocate_in_blocks(
    ordered_input: list[dict], arms: list[str], seed: int, block_prefix: str = ""
) -> list[AllocatedMouse]:
    """An arm for every row {mouse, pdx_model, volume_mm3}, in the order given.

    Within a PDX model mice are ranked by volume and cut into blocks of one mouse an arm; each block gets
    the arms in random order. Raises ValueError where a model's mice do not fill their blocks.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, AllocatedMouse] = {}
    for model in dict.fromkeys(row["pdx_model"] for row in ordered_input):
        rows = [row for row in ordered_input if row["pdx_model"] == model]
        if len(rows) % len(arms):
            raise ValueError(f"{len(rows)} mice of {model} do not fill blocks of {len(arms)}")
        ranked = sorted(rows, key=lambda row: (-row["volume_mm3"], row["mouse"]))
        for start in range(0, len(ranked), len(arms)):
            block = f"{block_prefix}{model}/{start // len(arms) + 1}"
            for row, place in zip(ranked[start : start + len(arms)], rng.permutation(len(arms)), strict=True):
                drawn[row["mouse"]] = AllocatedMouse(row["mouse"], arms[place], block)
    return [drawn[row["mouse"]] for row in ordered_input]


def input_sha256(ordered_input: list[dict]) -> str:
    text = json.dumps(ordered_input, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
