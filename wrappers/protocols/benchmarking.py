"""Models run through a protocol: hyperparameters chosen inside the training part, then one look at the test part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.progress import report
from evaluation.details import mean_of
from wrappers.contestants import as_recommender
from wrappers.offline import number_or_none
from wrappers.protocols.protocol import BenchmarkData, Figures, Protocol, Round
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model
from wrappers.tuning import Search, Tuned, tune


@dataclass(frozen=True)
class BenchmarkedModel:
    """One model's outcome.

    Attributes:
        model: Registered name.
        protocol: The protocol's name.
        data: The data's name.
        metrics: Metric, e.g. ``ndcg@10``, to its mean over rounds; NaN where a round has no value.
        fit_seconds: Mean time to train on a round's training part.
        params: Every hyperparameter, the defaults included.
        chosen: Of these, what was searched for, given, or follows from the protocol; the rest are the model's own.
        search_seconds: Time that went into choosing them; 0 where they were not searched for.
        per_unit: Each of the protocol's compared metrics to (n_units,) each user's mean over rounds, NaN = no value,
            so that a user who is in several rounds counts once.
    """

    model: str
    protocol: str
    data: str
    metrics: dict[str, float]
    fit_seconds: float
    params: dict[str, Any]
    chosen: dict[str, Any] = field(default_factory=dict)
    search_seconds: float = 0.0
    per_unit: dict[str, npt.NDArray[np.float64]] = field(repr=False, compare=False, default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What the JSON file holds of it; null for a figure that is none."""
        return {
            "model": self.model,
            "protocol": self.protocol,
            "data": self.data,
            "metrics": {metric: number_or_none(value) for metric, value in self.metrics.items()},
            "fit_seconds": round(self.fit_seconds, 3),
            "search_seconds": round(self.search_seconds, 3),
            "params": self.params,
            "chosen": self.chosen,
        }


class _Steps(NamedTuple):
    """How far a benchmark is: a step is one model trained and judged in one round.

    Attributes:
        before: Steps done before this model's.
        total: Steps of all models.
    """

    before: int
    total: int


def run_protocol(
    protocol: Protocol,
    data: BenchmarkData,
    models: Sequence[str],
    search: Search | None,
    *,
    given: Mapping[str, Mapping[str, Any]] | None = None,
    found_before: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[BenchmarkedModel]:
    """Benchmark models one after the other.

    Hyperparameters are searched for once, on the first round's training part, and used in all rounds. A model made of
    others gets those that were found for them before it, so name it behind its components.

    Args:
        protocol: How to split and to judge.
        data: What on.
        models: Registered names.
        search: How hyperparameters are chosen; None: the defaults are taken as they are.
        given: Model to hyperparameters that are not searched for.
        found_before: Model to the hyperparameters that an earlier run found, for the models made of others.

    Raises:
        DataError: The rows are not those that were published.
        UnknownName: Nobody registered a model.
        ConfigError: A hyperparameter is not allowed, or a model is not for this protocol.
    """
    # Known before hours of work: a name that is unknown, hyperparameters that are not allowed.
    for name in models:
        as_recommender(model(name)((given or {}).get(name)))
    rounds, settings = list(protocol.rounds(data)), protocol.settings(data)
    _check_rows(protocol, data.name, rounds)
    found: dict[str, dict[str, Any]] = {name: dict(config) for name, config in (found_before or {}).items()}
    for place, name in enumerate(models):
        began = time.perf_counter()
        kind = model(name)
        follows = {option: value for option, value in settings.items() if option in kind.Config.model_fields}
        fixed = {**kind.tuned_components(found), **follows, **(given or {}).get(name, {})}
        tuned = _searched(protocol, name, rounds[0], search, fixed)
        found[name] = fixed if tuned is None else tuned.config
        seconds = time.perf_counter() - began if tuned is not None else 0.0
        steps = _Steps(place * len(rounds), len(models) * len(rounds))
        yield _benchmarked(protocol, data.name, name, rounds, found[name], seconds, steps)


def validation_judge(protocol: Protocol, round_: Round) -> Callable[[RecommenderWrapper], Iterator[float]]:
    """What a search judges trials by: validation rounds made of a training part alone."""
    inner = protocol.validation(round_.train)

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        for one in inner:
            yield protocol.gain(one.judge(recommender.fit(one.train)))

    return judge


def _searched(
    protocol: Protocol, name: str, first: Round, search: Search | None, fixed: Mapping[str, Any]
) -> Tuned | None:
    space, defaults = model(name).search_space, model(name).Config()
    kept = {option: getattr(defaults, option) for option in protocol.indifferent & set(space)}
    fixed = {**kept, **fixed}
    if search is None or not set(space) - set(fixed):
        return None
    recipe = protocol.recipes.get(name)
    judge = validation_judge(protocol, first)
    return tune([name], judge, search, fixed={name: fixed}, first=[] if recipe is None else [recipe])


def _benchmarked(
    protocol: Protocol,
    data: str,
    name: str,
    rounds: Sequence[Round],
    config: dict[str, Any],
    search_seconds: float,
    steps: _Steps,
) -> BenchmarkedModel:
    seconds, figures = [], []
    for number, one in enumerate(rounds, 1):
        began = time.perf_counter()
        recommender = as_recommender(model(name)(config)).fit(one.train)
        seconds.append(time.perf_counter() - began)
        figures.append(one.judge(recommender))
        of_rounds = f", round {number} of {len(rounds)}" if len(rounds) > 1 else ""
        report("benchmark", steps.before + number, steps.total, f"{name}{of_rounds}: fitted in {seconds[-1]:.1f} s")
    return BenchmarkedModel(
        model=name,
        protocol=protocol.name,
        data=data,
        metrics={metric: _mean(figures, metric) for metric in figures[0]},
        fit_seconds=float(np.mean(seconds)),
        params=recommender.config.model_dump(mode="json"),
        chosen=config,
        search_seconds=search_seconds,
        per_unit={metric: np.mean([one[metric] for one in figures], axis=0) for metric in protocol.compared},
    )


def _mean(figures: Sequence[Figures], metric: str) -> float:
    return float(np.mean([mean_of(one[metric]) for one in figures]))


def _check_rows(protocol: Protocol, data: str, rounds: Sequence[Round]) -> None:
    expected = protocol.rows.get(data)
    for one in rounds:
        found = (len(one.train), one.n_test)
        if expected is not None and found != expected:
            raise DataError(
                f"{protocol.name} on {data} has {expected[0]:,} training and {expected[1]:,} test rows, these data "
                f"give {found[0]:,} and {found[1]:,}; they are not the published release, or not in its order of rows"
            )
