"""From a file of anyone's logged decisions, or a rollout of ours, to the log that policies are judged on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cli.event_log import event_log, is_event_log, log_label
from core.errors import ConfigError, DataError, RolloutError
from experiments.off_policy.logged_bandit import Floats, Indices, LoggedBandit
from loaders.experiment_file import open_experiment

#: The variants of a rollout, sorted.
VARIANTS = ("challenger", "champion", "control")


@dataclass(frozen=True)
class Columns:
    """Where a file keeps what.

    Attributes:
        action: What was done.
        reward: What came of it.
        propensity: The chance with which it was done.
        unit: Whom the row belongs to; empty: every row stands for itself.
        context: Numbers known before, for the reward model.
    """

    action: str
    reward: str
    propensity: str
    unit: str = ""
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExcludedRows:
    """Rows that are not counted: ``no_action``, ``no_propensity``, ``no_reward``, ``no_unit``, ``no_context``,
    ``no_draw`` (of a rollout: everybody was given the same).
    """

    reason: str
    rows: int


@dataclass(frozen=True, eq=False)
class DecisionLog:
    """What was read.

    Attributes:
        bandit: The rows that count.
        actions: Names, sorted; the bandit's action i is the i-th.
        probabilities: (n,) per column that a policy asked for.
        rows_read: Rows there were, those left out included.
        excluded: What was left out, each row under its first reason.
    """

    bandit: LoggedBandit
    actions: tuple[str, ...]
    probabilities: Mapping[str, Floats]
    rows_read: int
    excluded: tuple[ExcludedRows, ...]


def read_decisions(path: Path, columns: Columns, policy_columns: Collection[str] = ()) -> DecisionLog:
    """Read a CSV or Parquet file, or a folder of Parquet files, with a decision a row.

    Raises:
        DataError: The file or a column is not what it should be, a propensity is outside (0, 1], or no row counts.
    """
    numbers = (columns.reward, columns.propensity, *columns.context, *policy_columns)
    texts = (columns.action, *([columns.unit] if columns.unit else []))
    with open_experiment(path, columns=(*texts, *numbers), numbers=numbers, texts=texts) as table:
        chosen = {f"number_{place}": table[name].cast("float64") for place, name in enumerate(numbers)}
        chosen |= {f"text_{place}": table[name].cast("string").nullif("") for place, name in enumerate(texts)}
        found = table.select(**chosen).to_pyarrow()
    rows = len(found)
    reward, propensity, *others = (found[f"number_{place}"].to_numpy() for place in range(len(numbers)))
    context, probabilities = others[: len(columns.context)], others[len(columns.context) :]
    names, action = _coded(found["text_0"])
    unit = _coded(found["text_1"])[1] if columns.unit else None
    missing = {
        "no_action": action < 0,
        "no_propensity": np.isnan(propensity),
        "no_reward": ~np.isfinite(reward),
        "no_unit": np.zeros(rows, bool) if unit is None else unit < 0,
        "no_context": _any(rows, (~np.isfinite(one) for one in context)),
    }
    kept, excluded = _kept(rows, missing)
    _check(str(path), columns.propensity, propensity[kept], excluded)
    actions, place = _sorted_actions(names, action[kept])
    bandit = LoggedBandit(
        place,
        reward[kept],
        propensity[kept],
        context=np.column_stack([one[kept] for one in context]) if context else None,
        unit=None if unit is None else unit[kept],
    )
    shares = {name: one[kept] for name, one in zip(policy_columns, probabilities, strict=True)}
    return DecisionLog(bandit, actions, shares, rows, excluded)


def read_rollout(given: str) -> DecisionLog:
    """Read the sessions of a run's newest rollout: action the variant, reward 1 for a click, unit the spec's unit.

    The logging policy is known from each propensity: at p % the challenger and the control have p %, the champion the
    rest. Sessions that were not drawn (the watch at 100 %, what came after a roll-back) say nothing of another policy.

    Raises:
        ConfigError: There is no event log.
        DataError: No session was drawn.
        RolloutError: The log holds no rollout.
    """
    from events.logged_decisions import logged_decisions
    from events.rollouts import list_rollouts

    path = log_label(given)
    with event_log(given) as engine:
        rollouts = list_rollouts(engine)
        if not rollouts:
            raise RolloutError(f"{path} holds no rollout; name the folder of a run whose rollout has begun")
        found = logged_decisions(engine, rollouts[0].experiment)
    rows = len(found.variant)
    kept, excluded = _kept(rows, {"no_draw": found.propensity == 1})
    _check(path, "propensity", found.propensity[kept], excluded)
    variant, propensity = found.variant[kept], found.propensity[kept]
    percent = np.where(variant == "champion", (1 - propensity) / 2, propensity)
    bandit = LoggedBandit(
        _variant_places(path, variant),
        found.clicked[kept].astype(np.float64),
        propensity,
        unit=found.unit_id[kept],
        logging_policy=np.column_stack([percent, 1 - 2 * percent, percent]),
    )
    return DecisionLog(bandit, VARIANTS, {}, rows, excluded)


def _variant_places(path: str, variant: npt.NDArray[np.str_]) -> Indices:
    names, places = np.unique(variant, return_inverse=True)
    unknown = sorted(set(names.tolist()) - set(VARIANTS))
    if unknown:
        raise DataError(f"holds variants {', '.join(unknown)}; a rollout has {', '.join(VARIANTS)}", file=path)
    return np.searchsorted(VARIANTS, names)[places]


def _coded(texts: Any) -> tuple[list[str], Indices]:
    """Distinct texts, and each row's place among them; -1 where it has none."""
    encoded = texts.dictionary_encode().unify_dictionaries().combine_chunks()
    return encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy().astype(np.int64)


def _sorted_actions(names: list[str], action: Indices) -> tuple[tuple[str, ...], Indices]:
    """Names of the actions taken, sorted, and each row's place among them."""
    taken = sorted(np.flatnonzero(np.bincount(action, minlength=len(names))), key=lambda place: names[place])
    places = np.empty(len(names), np.int64)
    places[taken] = np.arange(len(taken))
    return tuple(names[place] for place in taken), places[action]


def _any(rows: int, masks: Iterable[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    found = np.zeros(rows, bool)
    for mask in masks:
        found |= mask
    return found


def _kept(
    rows: int, missing: Mapping[str, npt.NDArray[np.bool_]]
) -> tuple[npt.NDArray[np.bool_], tuple[ExcludedRows, ...]]:
    """Rows that lack nothing, and how many were left out, each under its first reason."""
    kept, excluded = np.ones(rows, bool), []
    for reason, mask in missing.items():
        lost = int(np.count_nonzero(kept & mask))
        kept &= ~mask
        excluded += [ExcludedRows(reason, lost)] if lost else []
    return kept, tuple(excluded)


def _check(path: str, column: str, propensity: Floats, excluded: tuple[ExcludedRows, ...]) -> None:
    if len(propensity) == 0:
        lost = ", ".join(f"{one.rows} {one.reason}" for one in excluded) or "it is empty"
        raise DataError(f"holds no row that can be counted ({lost})", file=path)
    outside = propensity[(propensity <= 0) | (propensity > 1)]
    if len(outside):
        raise DataError(
            f"{len(outside)} of {len(propensity)} propensities in column {column!r} are outside (0, 1], the first "
            f"{outside[0]:g}; an action that was taken had a chance above 0",
            file=path,
        )


def check_columns(log: str, named: Mapping[str, str], policy_columns: Collection[str] = ()) -> None:
    """Refuse options that a kind of log does not take, and the lack of those that it needs.

    Args:
        log: The log.
        named: Option to the column that it names; empty where it was not given.
        policy_columns: Columns that policies stand in.

    Raises:
        ConfigError: As said.
    """
    path = log_label(log)
    if is_event_log(log):
        given = [f"--{name}" for name, column in named.items() if column] + ["policies in columns"] * bool(
            policy_columns
        )
        if given:
            raise ConfigError(f"{path} is a rollout, whose columns are known; leave out {', '.join(given)}")
        return
    lacking = [f"--{name}" for name in ("action", "reward", "propensity") if not named[name]]
    if lacking:
        raise ConfigError(f"{', '.join(lacking)} must name a column of {path}")
