"""Whether data are good enough to learn from: each check with its figure, its limit and its verdict.

A bad line is the business of ``loaders/rules.py``, which refuses at once. Here the tables are held to their schemas
(``loaders/schemas.py``), and the data as a whole to the thresholds of the settings (``validation`` in config.yaml).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.interactions import Interactions
from core.settings import ValidationThresholds
from loaders.problems import Problem
from loaders.repeats import repeats
from loaders.schemas import SCHEMAS, SHOWN, faults
from loaders.set_aside import SetAside

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What, in words.
        status: ``ok``; ``warn``: something is there, within the limit; ``fail``: beyond the limit.
        figure: What was found, in words.
        limit: What is allowed, in words; empty where nothing can be set.
        setting: The threshold's name in ``validation``; empty likewise.
        value: What was found, as a number; None where it is none.
        bound: The threshold; None likewise.
        examples: Rows or lines that show it.
    """

    name: str
    status: Status
    figure: str
    limit: str = ""
    setting: str = ""
    value: float | None = None
    bound: float | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Validation:
    """What was found out about a data set.

    Attributes:
        source: Path, URI or "synthetic".
        layout: How it is laid out; empty if it could not be read.
        checks: In the order they should be read.
        set_aside: Lines set aside, by file; empty where there are no lines or no quarantine.
        problems: What was set aside, or stands in the way.
    """

    source: str
    layout: str
    checks: tuple[Check, ...]
    set_aside: tuple[SetAside, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def status(self) -> Status:
        """The worst of the checks'."""
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "ok"

    @property
    def n_set_aside(self) -> int:
        """Lines set aside in all files."""
        return sum(file.n_set_aside for file in self.set_aside)

    def failing(self, name: str, figure: str) -> Validation:
        """The same with one more check, failed."""
        return replace(self, checks=(*self.checks, Check(name, "fail", figure)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: status, checks, lines set aside by file."""
        return {
            "status": self.status,
            "checks": [{**asdict(check), "examples": list(check.examples)} for check in self.checks],
            "set_aside": {file.file: file.n_set_aside for file in self.set_aside if file.n_set_aside},
            "n_set_aside": self.n_set_aside,
        }

    def refusal(self) -> DataError | None:
        """Why the data must not be used, in one line; None if they may."""
        failed = [check for check in self.checks if check.status == "fail"]
        if not failed:
            return None
        first = failed[0]
        rule = f"; expected {first.limit} (setting validation.{first.setting})" if first.setting else ""
        more = f" (and {len(failed) - 1} more failed checks)" if len(failed) > 1 else ""
        return DataError(f"{first.name}: {first.figure}{rule}{more}", file=self.source)


def validate(
    interactions: Interactions,
    thresholds: ValidationThresholds,
    *,
    source: str,
    layout: str,
    set_aside: Sequence[SetAside] = (),
    problems: Sequence[Problem] = (),
) -> Validation:
    """Hold data to their schemas, and where they conform, to the thresholds.

    Args:
        interactions: The data, without the lines set aside; ratings may be empty.
        thresholds: What they must be like at the least.
        source: Where they come from.
        layout: How they are laid out.
        set_aside: Lines by file, where the loader counted them.
        problems: What is wrong with the lines set aside.
    """
    schemas = _schemas(interactions)
    if schemas.status != "ok":
        # What is of another type than expected cannot be counted either.
        return Validation(source, layout, (schemas,), tuple(set_aside), tuple(problems))
    rated = interactions.ratings["item_id"].unique()
    checks = (
        schemas,
        _at_least("ratings", len(interactions), "min_ratings", thresholds.min_ratings),
        _at_least("users with a rating", interactions.ratings["user_id"].nunique(), "min_users", thresholds.min_users),
        _at_least("items with a rating", len(rated), "min_items", thresholds.min_items),
        _quarantined(set_aside, thresholds),
        _duplicates(interactions, thresholds),
        _unknown_items(interactions, rated, thresholds),
    )
    return Validation(source, layout, checks, tuple(set_aside), tuple(problems))


def unreadable(error: DataError, *, source: str, problems: Sequence[Problem] = ()) -> Validation:
    """The validation of data that cannot even be read.

    Args:
        error: Why.
        source: Where they should come from.
        problems: Everything known to be wrong with them.
    """
    return Validation(source, "", (Check("can be read", "fail", str(error)),), problems=tuple(problems))


def _schemas(interactions: Interactions) -> Check:
    name, found = "columns, types and ranges", faults(interactions)
    if not found:
        return Check(name, "ok", f"{', '.join(SCHEMAS)} are as they must be")
    return Check(name, "fail", str(found[0]), examples=tuple(str(fault) for fault in found[1 : SHOWN + 1]))


def _at_least(what: str, count: int, setting: str, least: int) -> Check:
    status: Status = "ok" if count >= least else "fail"
    return Check(what, status, f"{count:,}", f"at least {least:,}", setting, float(count), float(least))


def _at_most(
    name: str, n_bad: int, n_all: int, of_what: str, setting: str, most: float, examples: tuple[str, ...]
) -> Check:
    share = n_bad / n_all if n_all else 0.0
    status: Status = "ok" if not n_bad else "warn" if share <= most else "fail"
    figure = f"{n_bad:,} of {n_all:,} {of_what} ({share:.2%})"
    return Check(name, status, figure, f"at most {most:.2%}", setting, share, most, examples)


def _quarantined(set_aside: Sequence[SetAside], thresholds: ValidationThresholds) -> Check:
    name, setting, most = "lines set aside", "max_quarantined_share", thresholds.max_quarantined_share
    if not set_aside:
        return Check(name, "ok", "none", f"at most {most:.2%} of a file", setting, 0.0, most)
    worst = max(set_aside, key=lambda file: file.share)
    examples = tuple(
        f"{file.n_set_aside:,} of {file.n_lines:,} lines of {file.file}" for file in set_aside if file.n_set_aside
    )
    of_what = f"lines of {PurePath(worst.file).name}"
    return _at_most(name, worst.n_set_aside, worst.n_lines, of_what, setting, most, examples)


def _duplicates(interactions: Interactions, thresholds: ValidationThresholds) -> Check:
    ratings = interactions.ratings
    again = ratings.iloc[repeats([ratings["user_id"].to_numpy(), ratings["item_id"].to_numpy()]).rows]
    examples = tuple(
        f"user {row.user_id} rates item {row.item_id} again" for row in again.head(SHOWN).itertuples(index=False)
    )
    limit = thresholds.max_duplicate_share
    return _at_most(
        "items rated again by the same user",
        len(again),
        len(ratings),
        "ratings",
        "max_duplicate_share",
        limit,
        examples,
    )


def _unknown_items(interactions: Interactions, rated: npt.NDArray[Any], thresholds: ValidationThresholds) -> Check:
    name, setting, most = "ratings of items not listed", "max_unknown_item_share", thresholds.max_unknown_item_share
    if not len(interactions.items):
        return Check(name, "ok", "the data list no items", f"at most {most:.2%}", setting, None, most)
    unknown = np.setdiff1d(rated, interactions.items["item_id"].to_numpy())
    # As a rule there is none, and the ratings need no second look.
    n_bad = int(interactions.ratings["item_id"].isin(unknown).sum()) if len(unknown) else 0
    examples = tuple(f"item {one}" for one in unknown[:SHOWN].tolist())
    return _at_most(name, n_bad, len(interactions), "ratings", setting, most, examples)
