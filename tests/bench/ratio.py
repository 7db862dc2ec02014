"""One measured promise: how many times faster, or at most how many times slower, than a yardstick."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """`ours_seconds` against `yardstick_seconds` for the same work on the same data.

    Give `at_least` where ours promises to be so many times faster, `at_most` where it may be so many
    times slower, neither where the figure is only told. `unit` is another one where memory is compared.
    """

    what: str
    yardstick: str
    ours_seconds: float
    yardstick_seconds: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "s"

    @property
    def times_faster(self) -> float:
        return self.yardstick_seconds / self.ours_seconds

    @property
    def times_slower(self) -> float:
        return self.ours_seconds / self.yardstick_seconds

    @property
    def kept(self) -> bool:
        fast_enough = self.at_least is None or self.times_faster >= self.at_least
        not_too_slow = self.at_most is None or self.times_slower <= self.at_most
        return fast_enough and not_too_slow

    def __str__(self) -> str:
        if self.at_most is not None:
            measured = "time" if self.unit == "s" else "size"
            figure = (
                f"{self.times_slower:.2f}x the {measured} of {self.yardstick} (at most {self.at_most:g}x)"
            )
        else:
            promise = "" if self.at_least is None else f" (at least {self.at_least:g}x)"
            figure = f"{self.times_faster:.1f}x as fast as {self.yardstick}{promise}"
        amounts = f"{self.ours_seconds:.3g} {self.unit} against {self.yardstick_seconds:.3g} {self.unit}"
        return f"{self.what}: {figure}; {amounts}{'' if self.kept else '  NOT KEPT'}"


def processor_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """The least processor time of several runs, after one to warm up: what else the machine does counts little."""
    timings = []
    for _ in range(repeats + 1):
        started = time.process_time()
        work()
        timings.append(time.process_time() - started)
    return min(timings[1:])


def best_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of several runs, the one least disturbed by everything else the machine does."""
    timings = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        timings.append(time.perf_counter() - started)
    return min(timings)
