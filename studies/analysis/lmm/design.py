"""A formula and a table become numbers: the response, the fixed columns, the random columns and their groups.

Fixed columns are kept in pieces. A column such as day:arm[T.B] is the product of something that changes
within a
mouse (the day) and something that does not (the arm): the engine sums the first once per mouse and never
forms
the second for every row.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Number

import numpy as np
import pandas as pd
import patsy

from studies import wording
from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.formula import MixedFormula, RandomTerm, parse_formula
from studies.analysis.lmm.orthogonal import poly
from studies.analysis.lmm.splines import ns
from studies.analysis.lmm.white import Series, make_series

Array = np.ndarray
FORMULA_WORDS = {
    "np": np, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp,
    "sqrt": np.sqrt, "abs": np.abs, "poly": poly, "ns": ns, "c": lambda *values: np.array(values),
}  # fmt: skip


@dataclass(frozen=True)
class Factor:
    """One factor of a term, as numbers (rows x columns) or as codes into levels."""

    name: str
    values: Array
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """One subterm: the product of its factors' columns, each level-coded factor through its contrast
    matrix.
    """

    factors: tuple[Factor, ...]
    contrasts: tuple[Array | None, ...]
    names: tuple[str, ...]

    def width(self, position: int) -> int:
        """How many columns the factor at `position` brings."""
        contrast = self.contrasts[position]
        return contrast.shape[1] if contrast is not None else self.factors[position].values.shape[1]

    def combinations(self) -> list[tuple[int, ...]]:
        """For each of the piece's columns the column taken of each factor; the first factor varies
        fastest.
        """
        widths = [range(self.width(position)) for position in range(len(self.factors))]
        return [combination[::-1] for combination in itertools.product(*reversed(widths))]

    def column(self, position: int, which: int, rows: Array | slice) -> Array:
        """Column `which` of one factor at the rows asked for."""
        contrast, values = self.contrasts[position], self.factors[position].values[rows]
        return contrast[values, which] if contrast is not None else values[:, which]


@dataclass(frozen=True)
class RandomDesign:
    """One random term: the pieces its columns are made of, their names, the group of each row."""

    term: RandomTerm
    pieces: tuple[Piece, ...]
    names: tuple[str, ...]
    codes: Array
    n_groups: int
    label: Callable[[], Array]

    @property
    def width(self) -> int:
        return len(self.names)

    @cached_property
    def columns(self) -> Array:
        """Rows x effects."""
        return np.column_stack([column(slice(None)) for column in self.column_makers()])

    def column_makers(self) -> list["ColumnMaker"]:
        return [ColumnMaker(piece, which, range(len(piece.factors)), len(self.codes))
                for piece, which in columns_of(self.pieces)]  # fmt: skip

    @cached_property
    def levels(self) -> Array:
        """The groups' labels."""
        return self.label()


@dataclass(frozen=True)
class Design:
    """Everything a fit needs of the table. `info` is patsy's, for building rows of a reference grid."""

    formula: MixedFormula
    response: Array
    pieces: tuple[Piece, ...]
    random: tuple[RandomDesign, ...]
    weights: Array | None
    residual_codes: Array | None
    residual_levels: tuple[str, ...]
    residual_name: str | None
    series: Series | None
    kept_rows: Array
    info: patsy.DesignInfo = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [name for piece in self.pieces for name in piece.names]

    def fixed_matrix(self) -> Array:
        """All fixed columns, rows x columns."""
        matrix = np.empty((len(self.response), len(self.names)))
        for index, (piece, combination) in enumerate(columns_of(self.pieces)):
            matrix[:, index] = product(piece, combination, range(len(piece.factors)), len(self.response))
        return matrix


def columns_of(pieces: Sequence[Piece]) -> list[tuple[Piece, tuple[int, ...]]]:
    return [(piece, combination) for piece in pieces for combination in piece.combinations()]


@dataclass(frozen=True)
class ColumnMaker:
    """The product of some of a piece's factors, formed for the rows asked for."""

    piece: Piece
    combination: tuple[int, ...]
    positions: Sequence[int]
    n_rows: int

    def __call__(self, rows: slice) -> Array:
        count = len(range(*rows.indices(self.n_rows)))
        return product(self.piece, self.combination, self.positions, count, rows)


def product(
    piece: Piece,
    combination: tuple[int, ...],
    positions: Sequence[int],
    n_rows: int,
    rows: Array | slice = slice(None),
) -> Array:
    """The product of some of a piece's factors at the given rows; of none, ones."""
    if not positions:
        return np.ones(n_rows)
    columns = [piece.column(position, combination[position], rows) for position in positions]
    result = columns[0]
    for column in columns[1:]:
        result = result * column
    return result


def build_design(
    text: str,
    table: pd.DataFrame,
    weights: object = None,
    residual_by: str | None = None,
    residual_correlation: str | None = None,
) -> Design:
    """Read the formula's columns off the table. Rows with a missing cell are left out and counted in a
    note.
    """
    if not isinstance(table, pd.DataFrame):
        raise AnalysisError("The data must be a pandas DataFrame, one row a reading.")
    formula = parse_formula(text, [str(column) for column in table.columns])
    serial = _serial_columns(residual_correlation, table)
    used = [*formula.columns, *([residual_by] if residual_by is not None else []), *serial]
    if residual_by is not None and residual_by not in table.columns:
        raise AnalysisError(f"residual_by names the column {residual_by}, which the table does not have.")
    row_weights = _row_weights(weights, table)
    frame, kept = _complete_rows(table, list(dict.fromkeys(used)), row_weights)
    alias_of = {column: alias for alias, column in formula.aliases.items()}
    aliased = pd.DataFrame({alias_of[column]: frame[column].array for column in formula.columns}, copy=False)
    notes = _missing_note(len(table) - len(frame))
    info, pieces = _fixed_pieces(formula, aliased)
    residual = pd.factorize(frame[residual_by], sort=True) if residual_by is not None else None
    series = _series(serial, frame) if serial else None
    if series is not None and residual is not None:
        _check_classes(series, residual[0], str(residual_by), serial[1])
    return Design(
        formula=formula,
        response=_response(formula, aliased, kept),
        pieces=pieces,
        random=tuple(_random_design(term, formula, aliased, frame) for term in formula.random),
        weights=row_weights[kept] if row_weights is not None else None,
        residual_codes=residual[0] if residual is not None else None,
        residual_levels=tuple(wording.level(level) for level in residual[1]) if residual is not None else (),
        residual_name=residual_by,
        series=series,
        kept_rows=kept,
        info=info,
        frame=aliased,
        notes=notes,
    )


def _serial_columns(text: str | None, table: pd.DataFrame) -> list[str]:
    """The time and series columns of "day | mouse"."""
    if text is None:
        return []
    parts = [part.strip().strip("`") for part in text.split("|")]
    if len(parts) != 2 or not all(parts):
        raise AnalysisError(f'residual_correlation reads "time | series", "day | mouse" say, not "{text}".')
    for name in parts:
        if name not in table.columns:
            raise AnalysisError(
                f"residual_correlation names the column {name}, which the table does not have."
            )
    return parts


def _series(columns: list[str], frame: pd.DataFrame) -> Series:
    time_name, name = columns
    if isinstance(frame[time_name].dtype, pd.CategoricalDtype):
        raise AnalysisError(f"residual_correlation needs {time_name} as numbers.")
    codes, _, label = group_codes([frame[name]])
    return make_series(codes, frame[time_name].to_numpy(), label(), name, time_name)


def _check_classes(series: Series, classes: Array, class_name: str, name: str) -> None:
    first = np.zeros(int(series.codes.max()) + 1, dtype=np.int64)
    first[series.codes] = classes
    if (first[series.codes] != classes).any():
        raise AnalysisError(
            f"residual_by={class_name} changes within a {name}, whose residuals correlate in time."
        )


def _missing_note(dropped: int) -> tuple[str, ...]:
    return (f"{dropped} {wording.noun(dropped, 'row')} with a missing value left out.",) if dropped else ()


def _row_weights(weights: object, table: pd.DataFrame) -> Array | None:
    if weights is None:
        return None
    if isinstance(weights, str):
        if weights not in table.columns:
            raise AnalysisError(f"weights names the column {weights}, which the table does not have.")
        weights = table[weights]
    values = np.asarray(weights, dtype=float)
    if values.shape != (len(table),):
        raise AnalysisError(f"{values.size} weights were given for {len(table)} rows.")
    bad = np.flatnonzero(~(np.isnan(values) | (np.isfinite(values) & (values > 0))))
    if bad.size:
        raise AnalysisError(f"The weight {values[bad[0]]} of row {bad[0] + 1} must be a positive number.")
    return values


def _complete_rows(
    table: pd.DataFrame, columns: list[str], weights: Array | None
) -> tuple[pd.DataFrame, Array]:
    """The rows with every used cell filled, text as categories whose unused levels are gone."""
    if table.columns.duplicated().any():
        raise AnalysisError(
            f"The table has two columns called {table.columns[table.columns.duplicated()][0]}."
        )
    spelled = {str(column): column for column in table.columns}
    read = {column: _read(table[spelled[column]], column) for column in columns}
    complete = np.ones(len(table), dtype=bool) if weights is None else ~np.isnan(weights)
    for values in read.values():
        complete &= values.codes >= 0 if isinstance(values, pd.Categorical) else ~np.isnan(values)
    everything = bool(complete.all())
    kept = np.arange(len(table), dtype=np.int32) if everything else np.flatnonzero(complete)
    if not kept.size:
        raise AnalysisError(f"No row has a value in each of {', '.join(columns)}.")
    if not everything:
        read = {column: values[kept] for column, values in read.items()}
    for column, values in read.items():
        if isinstance(values, pd.Categorical):
            used = np.zeros(len(values.categories), dtype=bool)
            used[values.codes] = True
            read[column] = values if used.all() else values.remove_unused_categories()
    return pd.DataFrame(read, copy=False), kept


def _read(values: pd.Series, name: str) -> Array | pd.Categorical:
    """Numbers stay numbers; all else becomes categories, first the one that sorts first, or in the order given."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.array
    if pd.api.types.is_bool_dtype(values.dtype):
        return pd.Categorical(values)
    if values.dtype == np.float64:
        return values.to_numpy()
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(values.dtype) or pd.api.types.is_timedelta64_dtype(values.dtype):
        raise AnalysisError(f"The column {name} holds dates: give study days as numbers.")
    codes, found = pd.factorize(values.to_numpy(dtype=object))
    if len(found) and all(isinstance(level, Number) for level in found):
        return np.append(found, np.nan)[codes].astype(float)
    return _sorted_categories(codes, found)


def _sorted_categories(codes: Array, found: Array) -> pd.Categorical:
    levels = list(found)
    try:
        order = sorted(range(len(levels)), key=levels.__getitem__)
    except TypeError:  # text and numbers mixed
        order = sorted(range(len(levels)), key=lambda index: (str(type(levels[index])), levels[index]))
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = range(len(order)), -1
    return pd.Categorical.from_codes(rank[codes], pd.Index([levels[index] for index in order], dtype=object))


def _builder(rhs: str, formula: MixedFormula, frame: pd.DataFrame) -> patsy.DesignInfo:
    try:
        terms = _parsed(rhs)
        if {factor.code for term in terms.rhs_termlist for factor in term.factors} <= set(frame.columns):
            return _plain_builder(rhs, tuple((name, _categories(frame[name])) for name in frame.columns))
        environment = patsy.EvalEnvironment([FORMULA_WORDS])
        return patsy.design_matrix_builders([terms.rhs_termlist], lambda: iter([frame]), environment)[0]
    except (patsy.PatsyError, NameError, TypeError, AttributeError, SyntaxError, ValueError) as error:
        reason = formula.spelled(str(error).splitlines()[0])
        raise AnalysisError(f'Cannot read "{formula.spelled(rhs)}" in the formula: {reason}') from error


@functools.lru_cache(maxsize=256)
def _parsed(rhs: str) -> patsy.ModelDesc:
    return patsy.ModelDesc.from_formula(rhs)


def _categories(values: pd.Series) -> tuple | None:
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    return tuple(values.cat.categories) if categorical else None


@functools.lru_cache(maxsize=256)
def _plain_builder(rhs: str, columns: tuple[tuple[str, tuple | None], ...]) -> patsy.DesignInfo:
    """Of columns as they stand: what hangs on no value, only on each column's categories (None: numbers)."""
    data = {
        name: np.zeros(1) if levels is None else pd.Categorical(levels, categories=levels)
        for name, levels in columns
    }
    environment = patsy.EvalEnvironment([FORMULA_WORDS])
    return patsy.design_matrix_builders([_parsed(rhs).rhs_termlist], lambda: iter([data]), environment)[0]


def _fixed_pieces(formula: MixedFormula, frame: pd.DataFrame) -> tuple[patsy.DesignInfo, tuple[Piece, ...]]:
    info = _builder(formula.fixed, formula, frame)
    return info, _pieces(info, formula, frame)


def _pieces(info: patsy.DesignInfo, formula: MixedFormula, frame: pd.DataFrame) -> tuple[Piece, ...]:
    factors = {factor: _evaluate(info.factor_infos[factor], formula, frame) for factor in info.factor_infos}
    return tuple(
        _piece(subterm, factors, info) for subterms in info.term_codings.values() for subterm in subterms
    )


def _piece(subterm: object, factors: dict[object, Factor], info: patsy.DesignInfo) -> Piece:
    used = tuple(factors[factor] for factor in subterm.factors)  # type: ignore[attr-defined]
    codings = [subterm.contrast_matrices.get(factor) for factor in subterm.factors]  # type: ignore[attr-defined]
    labels = [
        [factor.name + suffix for suffix in coding.column_suffixes]
        if coding is not None
        else ([factor.name] if factor.values.shape[1] == 1 else
              [f"{factor.name}[{index}]" for index in range(factor.values.shape[1])])
        for factor, coding in zip(used, codings, strict=True)
    ]  # fmt: skip
    names = tuple(":".join(parts[::-1]) or "Intercept" for parts in itertools.product(*reversed(labels)))
    return Piece(used, tuple(None if coding is None else coding.matrix for coding in codings), names)


def _evaluate(info: object, formula: MixedFormula, frame: pd.DataFrame) -> Factor:
    code = info.factor.code  # type: ignore[attr-defined]
    name = formula.spelled(code)
    values = frame[code] if code in frame.columns else info.factor.eval(info.state, frame)  # type: ignore[attr-defined]
    if info.type == "categorical":  # type: ignore[attr-defined]
        return Factor(name, _codes(values, info.categories), tuple(map(str, info.categories)))  # type: ignore[attr-defined]
    numbers = np.asarray(values, dtype=float).reshape(len(frame), -1)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise AnalysisError(f"{name} is not a finite number in row {row + 1} of those used.")
    return Factor(name, numbers)


def _codes(values: object, categories: tuple) -> Array:
    categorical = isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype)
    if categorical and tuple(values.cat.categories) == tuple(categories):  # type: ignore[attr-defined]
        return values.cat.codes.to_numpy()  # type: ignore[attr-defined]
    data = getattr(values, "data", values)  # patsy's C(...) wraps its data
    return pd.Categorical(np.asarray(data), categories=list(categories)).codes


def _response(formula: MixedFormula, frame: pd.DataFrame, kept: Array) -> Array:
    code = formula.response
    name = formula.spelled(code)
    if code in frame.columns:
        values = frame[code]
        is_text = isinstance(values.dtype, pd.CategoricalDtype)
    else:
        (factor,) = _builder("0 + I(" + code + ")", formula, frame).factor_infos.values()
        values, is_text = factor.factor.eval(factor.state, frame), factor.type == "categorical"
    if is_text:
        raise AnalysisError(f"The response {name} holds text, not numbers.")
    numbers = np.asarray(values, dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise AnalysisError(
            f"The response {name} is {numbers[bad[0]]} in row {kept[bad[0]] + 1} ({bad.size} such rows): "
            "a volume of 0 has no logarithm; leave these readings out or model them as censored."
        )
    return numbers


def _random_design(
    term: RandomTerm, formula: MixedFormula, aliased: pd.DataFrame, frame: pd.DataFrame
) -> RandomDesign:
    info = _builder(term.columns, formula, aliased)
    pieces = _pieces(info, formula, aliased)
    names = tuple(name for piece in pieces for name in piece.names)
    if not names:
        raise AnalysisError(
            f"The random term ({formula.spelled(term.columns)} | {term.name}) has no columns."
        )
    return RandomDesign(term, pieces, names, *group_codes([frame[column] for column in term.group]))


def group_codes(columns: list[pd.Series]) -> tuple[Array, int, Callable[[], Array]]:
    """Each row's group as 0..G-1, G, and what gives the groups' labels: the combination of the columns' values."""
    coded = [_level_codes(column) for column in columns]
    codes, present = _compact(coded[0][0].astype(np.int64), len(coded[0][1]))  # products outgrow less
    chosen = [present]
    for inner, levels in coded[1:]:
        codes, present = compact_codes(codes * len(levels) + inner)
        outer, last = np.divmod(present, len(levels))
        chosen = [*(part[outer] for part in chosen), last]

    def label() -> Array:
        parts = [np.array([wording.level(levels[index]) for index in part], dtype=object)
                 for part, (_, levels) in zip(chosen, coded, strict=True)]  # fmt: skip
        return functools.reduce(lambda left, right: left + ":" + right, parts)

    return codes, len(chosen[0]), label


def compact_codes(codes: Array) -> tuple[Array, Array]:
    """Codes renumbered to 0..K-1, and the values that occur, ascending."""
    largest = int(codes.max()) + 1
    if largest <= 4 * codes.size + 1000:
        return _compact(codes, largest)
    present, renumbered = np.unique(codes, return_inverse=True)
    return renumbered.ravel(), present


def _level_codes(column: pd.Series) -> tuple[Array, Sequence]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.array.codes, column.array.categories
    return pd.factorize(column.to_numpy(), sort=True)


def _compact(codes: Array, n_possible: int) -> tuple[Array, Array]:
    """Codes renumbered to those that occur, and which these are."""
    present = np.zeros(n_possible, dtype=bool)
    present[codes] = True
    return (codes if present.all() else (np.cumsum(present) - 1)[codes]), np.flatnonzero(present)
