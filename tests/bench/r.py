"""One warm R process beside the bench: a question is a call with its arguments, its seconds are measured inside R."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tests.bench.ratio import Ratio

SCRIPT = Path(__file__).parent.parent / "reference" / "lmm" / "models.R"


class R:
    """`with R() as r: r.ask("time_fit", table="S", formula=...)`. See models.R for the calls."""

    def __enter__(self) -> "R":
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            ["Rscript", "--vanilla", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._folder.cleanup()

    def hand_over(self, name: str, table: pd.DataFrame) -> None:
        """Write the table and have R read it, before any clock starts."""
        path = Path(self._folder.name) / f"{name}.csv"
        table.to_csv(path, index=False)
        self.ask("load_table", name=name, path=str(path))

    def ask(self, call: str, **arguments: object) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "R ended"}
        if "error" in answer:
            raise RuntimeError(f"R could not {call}: {answer['error']}")
        return answer


def missing() -> str | None:
    """Why R cannot be asked, or None."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    needed = (
        'for (name in c("lme4", "pbkrtest", "jsonlite")) stopifnot(requireNamespace(name, quietly = TRUE))'
    )
    found = subprocess.run(["Rscript", "--vanilla", "-e", needed], capture_output=True, text=True)
    return None if found.returncode == 0 else "R lacks one of lme4, pbkrtest, jsonlite"


def against_r(compare: Callable[[R], list[Ratio]]) -> list[Ratio]:
    """The ratios, or none and a loud reason where R cannot be asked."""
    reason = missing()
    if reason is not None:
        print(
            f"\n  !! NOT COMPARED WITH R: {reason}. These promises are unproven by this run.\n",
            file=sys.stderr,
        )
        return []
    with R() as r:
        return compare(r)
