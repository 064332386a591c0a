"""What snapshot tables must obey: the catalogue's meanings as ranges, checked with pandera."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from feature_repo.offline import SnapshotTable, item_table, user_table
from feature_repo.snapshots import SnapshotSet

if TYPE_CHECKING:
    import pandera.pandas as pa

RowCheck = Callable[[pd.DataFrame], Any]
#: Columns of the checked rows beside the features.
ENTITY, TIME = "entity", "time"
#: Shares may miss their sum by the rounding of float32.
_ROUNDING = 1e-4


class Rule(NamedTuple):
    """What the values of a feature must be.

    Attributes:
        low: At least this.
        high: At most this.
        whole: Whole numbers only.
        missing: NaN is allowed.
    """

    low: float = 0.0
    high: float = np.inf
    whole: bool = False
    missing: bool = False

    def holds(self, values: pd.Series[float]) -> pd.Series[bool]:
        """Which values obey."""
        right = values.between(self.low, self.high) & np.isfinite(values)
        if self.whole:
            right &= values == values.round()
        return right | values.isna() if self.missing else right

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        limits = {
            (False, False): "",
            (True, False): f" >= {self.low:g}",
            (False, True): f" <= {self.high:g}",
            (True, True): f" from {self.low:g} to {self.high:g}",
        }[np.isfinite(self.low), np.isfinite(self.high)]
        return f"{kind}{limits}" + (" or missing" if self.missing else "")


_COUNT = Rule(whole=True)
_AT_LEAST_ONE = Rule(low=1.0, whole=True)
_SHARE = Rule(high=1.0)
_FIFTH = Rule(low=1.0, high=5.0, whole=True)
_YEAR = Rule(low=1.0, high=9999.0, missing=True)

USER_RULES = {
    **dict.fromkeys(("rating_count", "active_days", "session_count"), _AT_LEAST_ONE),
    **{name: Rule() for name in ("rating_mean", "rating_std", "recency_days", "tenure_days", "genre_diversity")},
    **{name: Rule(low=1.0) for name in ("ratings_per_active_day", "session_ratings_mean")},
    **{name: Rule() for name in ("session_minutes_mean", "item_popularity_mean")},
    **dict.fromkeys(("rfm_recency", "rfm_frequency", "rfm_value"), _FIFTH),
    "liked_share": _SHARE,
    "item_year_mean": _YEAR,
    "age": Rule(high=150.0, missing=True),
    "is_female": Rule(high=1.0, whole=True, missing=True),
    "occupation": Rule(whole=True, missing=True),
    "genre_share": _SHARE,
    "genre_lift": Rule(low=-np.inf),
}
ITEM_RULES = {
    "rating_count": _AT_LEAST_ONE,
    **{name: Rule() for name in ("popularity", "rating_mean", "rating_std", "quality", "recency_days", "listed_days")},
    "liked_share": _SHARE,
    "recent_count": _COUNT,
    "trend": Rule(low=-1.0, high=1.0),
    "release_year": _YEAR,
    "release_age_years": Rule(low=-np.inf, missing=True),
    "tag_count": _COUNT,
    "tag_diversity": Rule(),
    "genre_count": _COUNT,
    "has_genre": Rule(high=1.0, whole=True),
}


def check_snapshots(snapshots: SnapshotSet) -> list[str]:
    """What is wrong with snapshots, one line per file and rule, with an example; empty if nothing is.

    Raises:
        DataError: A file is damaged or lacks a column.
    """
    names = snapshots.layout.user_names, snapshots.layout.item_names
    return [
        *_problems(snapshots.user_path, user_table(snapshots), names[0], user_schema(snapshots)),
        *_problems(snapshots.item_path, item_table(snapshots), names[1], item_schema(snapshots)),
    ]


def user_schema(snapshots: SnapshotSet) -> pa.DataFrameSchema:
    """Rules of users' rows: the layout's columns, and entity (text) and time (seconds since 1970)."""
    names = snapshots.layout.user_names
    shares = [name for name in names if name.startswith("genre_share ")]
    wholes = {
        "genre_share sums to 1, or is 0 throughout": lambda rows: _one_or_nothing(rows[shares].sum(axis=1)),
        "tenure_days is at least recency_days": lambda rows: rows["tenure_days"] >= rows["recency_days"],
    }
    return _schema(names, USER_RULES, snapshots, wholes)


def item_schema(snapshots: SnapshotSet) -> pa.DataFrameSchema:
    """Rules of items' rows, likewise."""
    names = snapshots.layout.item_names
    flags = [name for name in names if name.startswith("has_genre ")]
    wholes = {
        "has_genre sums to genre_count": lambda rows: rows[flags].sum(axis=1) == rows["genre_count"],
        "recent_count is at most rating_count": lambda rows: rows["recent_count"] <= rows["rating_count"],
        "listed_days is at least recency_days": lambda rows: rows["listed_days"] >= rows["recency_days"],
    }
    return _schema(names, ITEM_RULES, snapshots, wholes)


def _schema(
    names: Sequence[str], rules: Mapping[str, Rule], snapshots: SnapshotSet, wholes: Mapping[str, RowCheck]
) -> pa.DataFrameSchema:
    import pandera.pandas as pa

    def column(name: str) -> pa.Column:
        # A genre's feature is called "genre_share Drama".
        rule = rules[name.partition(" ")[0]]
        expected = f"{name} is {rule}"
        return pa.Column("float32", pa.Check(rule.holds, name=expected, ignore_na=False), nullable=True)

    times = np.array(snapshots.times)
    everyone = f"every {ENTITY} has a row at the last snapshot"
    one_each = f"an {ENTITY} has one row per snapshot"
    checks: dict[str, RowCheck] = {
        **wholes,
        one_each: lambda rows: ~rows.duplicated([ENTITY, TIME]),
        everyone: lambda rows: rows.groupby(ENTITY)[TIME].transform("max") == snapshots.as_of,
    }
    return pa.DataFrameSchema(
        {
            ENTITY: pa.Column(str),
            TIME: pa.Column("int64", pa.Check(lambda time: time.isin(times), name="the time is that of a snapshot")),
            **{name: column(name) for name in names},
        },
        checks=[pa.Check(check, name=name, ignore_na=False) for name, check in checks.items()],
    )


def _problems(file: Path, table: SnapshotTable, names: Sequence[str], schema: pa.DataFrameSchema) -> list[str]:
    import pandera.pandas as pa

    rows = pd.DataFrame(table.values, columns=list(names))
    rows.insert(0, ENTITY, table.ids[table.entity])
    rows.insert(1, TIME, table.time)
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        return [_line(file, rows, str(rule), cases) for rule, cases in error.failure_cases.groupby("check", sort=False)]
    return []


def _line(file: Path, rows: pd.DataFrame, rule: str, cases: pd.DataFrame) -> str:
    """One rule that does not hold, with the first row it does not hold in."""
    places = np.unique(cases["index"].dropna().to_numpy(np.int64))
    if not len(places):
        return f"{file.name}: expected that {rule}, which is false"
    first = rows.iloc[places[0]]
    when = pd.Timestamp(first[TIME], unit="s").isoformat()
    column = cases["column"].iloc[0]
    of_a_feature = cases["schema_context"].iloc[0] == "Column" and column not in (ENTITY, TIME)
    shown = f" ({column} is {first[column]:g})" if of_a_feature else ""
    return (
        f"{file.name}: expected that {rule}; false in {len(places)} of {len(rows)} rows, "
        f"first of {first[ENTITY]} as of {when}{shown}"
    )


def _one_or_nothing(sums: pd.Series[float]) -> pd.Series[bool]:
    return ((sums - 1.0).abs() <= _ROUNDING) | (sums == 0.0)
