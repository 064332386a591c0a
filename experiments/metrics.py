"""What is measured of a unit: a metric's columns, how its rows become numbers, and which way is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import ConfigError

MetricKind = Literal["mean", "proportion", "ratio", "quantile"]
METRIC_KINDS: tuple[MetricKind, ...] = get_args(MetricKind)
_SYNTAX = "COLUMN[:mean|proportion|ratio|quantile[:LEVEL]], a ratio also as NUMERATOR/DENOMINATOR:ratio"
_LEVEL = re.compile(r"0?\.\d+")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: As people call it; the columns, where nobody named it.
        kind: ``mean``: what a unit's rows add up to; ``proportion``: units with any row above 0; ``ratio``: numerators
            over denominators, summed over units; ``quantile``: of the rows' values.
        column: Of the values, successes or numerators.
        denominator: Of a ratio's denominators; None: the number of rows.
        level: Of a quantile, above 0 and below 1.
        covariate: Column that was known of a unit before the experiment; None: there is none.
        covariate_denominator: For a ratio whose covariate is a ratio too.
        lower_is_better: As with latency or cancellations.
    """

    name: str
    kind: MetricKind
    column: str
    denominator: str | None = None
    level: float = 0.5
    covariate: str | None = None
    covariate_denominator: str | None = None
    lower_is_better: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it is made of."""
        every = (self.column, self.denominator, self.covariate, self.covariate_denominator)
        return tuple(column for column in every if column is not None)


def parse_metric(
    text: str, *, covariate: str | None = None, lower_is_better: bool = False, default: MetricKind = "mean"
) -> Metric:
    """A metric as it is written on a command line.

    >>> parse_metric("clicks/impressions:ratio")
    Metric(name='clicks/impressions', kind='ratio', column='clicks', denominator='impressions', level=0.5, \
covariate=None, covariate_denominator=None, lower_is_better=False)
    >>> parse_metric("latency:quantile:.95").level
    0.95

    Args:
        text: ``COLUMN``, ``COLUMN:KIND``, ``NUMERATOR/DENOMINATOR:ratio`` or ``COLUMN:quantile:LEVEL``. A backslash
            before a colon, slash or backslash makes this part of a column's name; any other stands for itself.
        covariate: ``COLUMN``, or for a ratio also ``NUMERATOR/DENOMINATOR``.
        lower_is_better: See ``Metric``.
        default: The kind where none is written; with a denominator it is a ratio.

    Raises:
        ConfigError: It is none of these.
    """
    columns, _, rest = _divided(text, ":")
    kind, _, level = rest.partition(":")
    column, slash, denominator = (_plain(part) for part in _divided(columns, "/"))
    chosen = _kind(text, kind, "ratio" if slash else default)
    if not column or (slash and not denominator):
        raise ConfigError(f"metric {text!r} names no column; write {_SYNTAX}, and \\: or \\/ in a column's name")
    if slash and chosen != "ratio":
        raise ConfigError(f"metric {text!r} has a denominator but is a {chosen}; write {columns}:ratio")
    if level and chosen != "quantile":
        raise ConfigError(f"metric {text!r} has a level but is a {chosen}; only a quantile has one")
    before, _, before_denominator = (_plain(part) for part in _divided(covariate or "", "/"))
    if covariate and chosen == "quantile":
        raise ConfigError(f"metric {text!r} is a quantile, which takes no covariate; leave --covariate out")
    if before_denominator and chosen != "ratio":
        raise ConfigError(f"covariate {covariate!r} is a ratio, only a ratio takes one; metric {text!r} is a {chosen}")
    return Metric(
        name=_plain(columns) if chosen != "quantile" else f"{column} p{100 * _level(text, level):g}",
        kind=chosen,
        column=column,
        denominator=denominator or None,
        level=_level(text, level),
        covariate=before or None,
        covariate_denominator=before_denominator or None,
        lower_is_better=lower_is_better,
    )


def _divided(text: str, mark: str) -> tuple[str, str, str]:
    """As ``str.partition``, at the first mark that no backslash escapes."""
    found = re.match(rf"((?:\\[:/\\]|\\(?![:/\\])|[^{mark}\\])*){mark}(.*)", text, re.DOTALL)
    return (found[1], mark, found[2]) if found else (text, "", "")


def _plain(column: str) -> str:
    """A column's name without the escapes."""
    return re.sub(r"\\([:/\\])", r"\1", column)


def _kind(text: str, kind: str, default: MetricKind) -> MetricKind:
    if not kind:
        return default
    for known in METRIC_KINDS:
        if kind == known:
            return known
    raise ConfigError(f"metric {text!r} is of kind {kind!r}, must be one of {', '.join(METRIC_KINDS)}; write {_SYNTAX}")


def _level(text: str, level: str) -> float:
    if not level:
        return 0.5
    if not _LEVEL.fullmatch(level) or float(level) == 0:
        raise ConfigError(f"metric {text!r} has level {level!r}, must be above 0 and below 1, e.g. .95")
    return float(level)
