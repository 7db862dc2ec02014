"""lme4's formula syntax: `log_volume ~ day * arm + (1 + day | mouse)`, taken apart.

Source of the syntax: Bates et al. 2015, J Stat Softw 67(1), section 2.
"""

import re
from dataclasses import dataclass, field

from patsy import ModelDesc, PatsyError

from studies.analysis.errors import AnalysisError

TOKEN = re.compile(r"`([^`]+)`|\"[^\"]*\"|'[^']*'|(?<![\w.])[^\W\d][\w.]*|\.[^\W\d][\w.]*")
KNOWN_WORDS = {"True", "False", "None", "np"}
R_SPELLINGS = {"factor": "C", "as.factor": "C"}


@dataclass(frozen=True)
class RandomTerm:
    """One `(columns | group)`: its effects are correlated with each other and with nothing else."""

    columns: str
    group: tuple[str, ...]

    @property
    def name(self) -> str:
        return ":".join(self.group)


@dataclass(frozen=True)
class MixedFormula:
    """A formula's parts. Columns appear under safe aliases inside them; `spelled` gives their names back."""

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The table's columns that the formula uses."""
        return list(self.aliases.values())

    def spelled(self, code: str) -> str:
        """Patsy's name of a factor with the table's own column names in it."""
        return _spelled(code, self.aliases)


def _spelled(code: str, aliases: dict[str, str]) -> str:
    return re.sub(r"\bcolumn\d+_\b", lambda match: aliases.get(match.group(), match.group()), code)


def parse_formula(text: str, columns: list[str]) -> MixedFormula:
    """Take a formula apart. `columns` are the table's: any names, those that are no identifiers in backticks.

    Refused: no or two `~`, no random term, a column the table does not have, a group that is not built of
    columns.
    """
    aliases: dict[str, str] = {}
    safe = _with_aliases(text, columns, aliases)
    try:
        return _parsed(safe, text, aliases)
    except AnalysisError as error:
        raise AnalysisError(_spelled(str(error), aliases)) from error


def _parsed(safe: str, text: str, aliases: dict[str, str]) -> MixedFormula:
    sides = safe.split("~")
    if len(sides) != 2 or not sides[0].strip():
        raise AnalysisError(f'The formula "{text}" needs one "~" with the response before it.')
    bars, fixed = _split_random(sides[1], text)
    if not bars:
        raise AnalysisError(
            f'The formula "{text}" has no random term such as (1 + day | mouse): '
            "readings of one mouse are not independent."
        )
    terms = tuple(term for bar in bars for term in _expand_bar(bar, text))
    named = tuple(RandomTerm(term.columns, tuple(aliases[column] for column in term.group)) for term in terms)
    return MixedFormula(text, sides[0].strip(), fixed, named, aliases)


def _with_aliases(text: str, columns: list[str], aliases: dict[str, str]) -> str:
    """The formula with every column under an alias that patsy can read, whatever the column is called."""
    known = {str(column) for column in columns}
    alias_of: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        word = match.group(1) or match.group()
        follows = text[match.end() :].lstrip()
        if match.group()[0] in "\"'":
            return match.group()
        if match.group(1) is None and follows.startswith("("):
            return R_SPELLINGS.get(word, word)
        if word not in known:
            if match.group(1) is None and (word.split(".")[0] in KNOWN_WORDS or re.match(r"=[^=]", follows)):
                return word
            raise AnalysisError(
                f'The formula "{text}" names the column {word}, which the table does not have.'
            )
        alias = alias_of.setdefault(word, f"column{len(alias_of)}_")
        aliases[alias] = word
        return alias

    return TOKEN.sub(replace, text).replace("^", "**")


def _split_random(side: str, text: str) -> tuple[list[str], str]:
    """The parenthesized parts that hold a bar, and what remains of the right side."""
    bars, kept, start = [], [], 0
    for opening, closing in _top_level_parentheses(side, text):
        inner = side[opening + 1 : closing]
        if "|" not in inner:
            continue
        before = side[start:opening].rstrip()
        if before and not before.endswith("+"):
            raise AnalysisError(f'In "{text}" the random term ({inner}) must be added with "+".')
        kept.append(before.rstrip("+"))
        bars.append(inner)
        start = closing + 1
    kept.append(side[start:])
    if "|" in "".join(kept):
        raise AnalysisError(f'In "{text}" a random term must stand in parentheses: (1 + day | mouse).')
    parts = [part.strip().removeprefix("+").strip() for part in kept]
    return bars, " + ".join(part for part in parts if part) or "1"


def _top_level_parentheses(side: str, text: str) -> list[tuple[int, int]]:
    spans, depth, opening = [], 0, 0
    for position, letter in enumerate(side):
        if letter == "(":
            if depth == 0:
                opening = position
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                spans.append((opening, position))
        if depth < 0:
            break
    if depth != 0:
        raise AnalysisError(f'The parentheses of the formula "{text}" do not match.')
    return spans


def _expand_bar(bar: str, text: str) -> list[RandomTerm]:
    """`x || g` as uncorrelated terms, `a/b` as a and a:b."""
    left, double, right = bar.partition("||")
    if not double:
        left, _, right = bar.partition("|")
    if "|" in right or not left.strip():
        raise AnalysisError(f'The random term ({bar.strip()}) of "{text}" reads as (columns | group).')
    lefts = _uncorrelated(left, text) if double else [left.strip()]
    return [RandomTerm(columns, group) for group in _groups(right, text) for columns in lefts]


def _uncorrelated(left: str, text: str) -> list[str]:
    try:
        terms = ModelDesc.from_formula(left).rhs_termlist
    except PatsyError as error:
        reason = str(error).splitlines()[0]
        raise AnalysisError(f'Cannot read "{left.strip()}" in the formula "{text}": {reason}') from error
    return ["0 + " + term.name() if term.factors else "1" for term in terms]


def _groups(right: str, text: str) -> list[tuple[str, ...]]:
    """Grouping factors of `a`, `a:b` or `a/b/c`, finest first; lme4 names a/b's inner factor b:a."""
    groups: list[tuple[str, ...]] = []
    outer: tuple[str, ...] = ()
    for part in right.split("/"):
        names = tuple(re.sub(r"^C\((.*)\)$", r"\1", name.strip()).strip() for name in part.split(":"))
        if not all(re.fullmatch(r"column\d+_", name) for name in names):
            raise AnalysisError(
                f'The group "{right.strip()}" of "{text}" must be columns joined by ":" or "/".'
            )
        outer = names + outer
        groups.insert(0, outer)
    return groups
