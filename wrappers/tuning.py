"""Hyperparameters searched for by trial: on parts of the training ratings, never on what a model is judged by."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import ConfigError, DataError
from core.progress import report
from wrappers.contestants import as_recommender
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model
from wrappers.search_space import Choices, Numbers, SearchSpace, nested

if TYPE_CHECKING:
    from optuna import Study, Trial

#: A trained model's figure on one validation split, higher is better, one split after the other: a trial that does
#: worse than most on the first is not tried on the others.
Judge = Callable[[RecommenderWrapper], Iterable[float]]


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: From 0.
        model: Registered name of the model tried.
        config: What was tried, beside the defaults; empty: the defaults.
        value: Mean figure over the validation splits it was judged on; None where it failed.
        seconds: How long it took.
        status: ``complete``, ``pruned`` (given up after the first splits) or ``refused`` (the model or its data do not
            allow these hyperparameters, or what came of them is no number).
        reason: Why it was refused; else empty.
    """

    number: int
    model: str
    config: dict[str, Any]
    value: float | None
    seconds: float
    status: Literal["complete", "pruned", "refused"]
    reason: str = ""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        model: Registered name of the best trial's model.
        config: Its hyperparameters, with those that were not searched for.
        value: Its mean figure on the validation splits.
        default_value: That of the same model's defaults; None where they were refused or given up.
        trials: All of them, in order.
    """

    model: str
    config: dict[str, Any]
    value: float
    default_value: float | None
    trials: tuple[TrialRecord, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Search:
    """How a search is made.

    Attributes:
        trials: How many to have in all, those of an earlier search in the same storage included; at least 1. One
            model without anything to search for is tried once.
        seed: The same seed, data and number of trials give the same result, where it is not interrupted.
        budget_s: Seconds after which no trial is begun but the first: what is found then depends on the machine.
        storage: SQLite file that keeps the trials, so that a search that was killed goes on; None: memory.
        study: Name of the search in the storage; another one for other data.
        worker: This process' number where several search in one storage, from 0 …
        workers: … to this, less one. Several find what depends on who is first.
        begun: Trials that had ended before the first of several processes began; None: those there are now.
    """

    trials: int = 20
    seed: int = 0
    budget_s: float = math.inf
    storage: Path | None = None
    study: str = "search"
    worker: int = 0
    workers: int = 1
    begun: int | None = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials == {self.trials}, must be >= 1")


def tune(
    names: Sequence[str],
    judge: Judge,
    search: Search,
    *,
    fixed: Mapping[str, Mapping[str, Any]] | None = None,
    first: Sequence[Mapping[str, Any]] = (),
) -> Tuned:
    """Search hyperparameters, and the model where several are named.

    Tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"), by Optuna.
    Every model's defaults are tried first, so that what is found is never worse than them on the validation splits. A
    trial that is below the median of the others after a split is given up.

    Args:
        names: Registered names, at least one.
        judge: Trains an untrained model on each validation split and gives its figures.
        search: How to go about it.
        fixed: Model to hyperparameters that are not searched for.
        first: Hyperparameters to try right after the defaults, e.g. a published recipe; where one model is named.
            Those that are not searched for hold in that trial alone; those that are fixed stay as they are.

    Raises:
        ConfigError: No model is named, every trial was refused, or a hyperparameter that is fixed is not allowed.
        UnknownName: Nobody registered a name.
    """
    if not names:
        raise ConfigError("no model is named; name one, several by commas, or auto")
    contestants = {name: dict((fixed or {}).get(name, {})) for name in names}
    for name, given in contestants.items():
        as_recommender(model(name)(given))
    study = study_of(search)
    if first and not study.trials:
        (name,) = names
        # Trials are taken in the order in which they are asked for: the first is the defaults'.
        for one in ({}, *first):
            _enqueue(study, one, _space(name, contestants[name]), contestants[name])
    total = search.trials if any(_space(*one) for one in contestants.items()) else len(names)
    done = finished(study) if search.begun is None else search.begun
    began = time.perf_counter()
    for number in range(done + search.worker, total, search.workers):
        if number > 0 and time.perf_counter() - began > search.budget_s:
            report("tune", total, total, f"stopped after {number} of {total} trials, the time is up")
            break
        _try(study, contestants, judge, default_of=names[number] if number < len(names) else None)
        report("tune", number + 1, total, _so_far(study))
    return found_in(study, contestants)


def _space(name: str, fixed: Mapping[str, Any]) -> SearchSpace:
    """What is searched for of a model: nothing that is fixed, not in part either."""
    return {
        option: values for option, values in model(name).search_space.items() if option.partition(".")[0] not in fixed
    }


def _enqueue(study: Study, config: Mapping[str, Any], space: SearchSpace, fixed: Mapping[str, Any]) -> None:
    """Have hyperparameters tried next: the sampler's, and beside them others that it knows nothing of."""
    searched = {option: value for option, value in config.items() if option in space}
    free = {option: value for option, value in config.items() if option.partition(".")[0] not in fixed}
    beside = {option: value for option, value in free.items() if option not in space}
    study.enqueue_trial(searched, user_attrs={"beside": json.dumps(beside)})


def finished(study: Study) -> int:
    """How many trials came to an end."""
    return sum(one.state.is_finished() for one in study.trials)


def study_of(search: Search) -> Study:
    """The trials there are, none of a new search."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if search.storage is not None:
        search.storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=None if search.storage is None else f"sqlite:///{search.storage}",
        study_name=search.study,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    # A search that goes on must not draw the first trials' hyperparameters again.
    drawn = 1000 * search.worker + (len(study.trials) if search.begun is None else search.begun)
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + drawn, n_startup_trials=8)
    return study


def _try(study: Study, contestants: Mapping[str, Mapping[str, Any]], judge: Judge, *, default_of: str | None) -> None:
    """One trial, told to the study."""
    from optuna.trial import TrialState

    trial = study.ask()
    name = default_of or _suggest_model(trial, list(contestants))
    beside = json.loads(trial.user_attrs.get("beside", "{}"))
    chosen = {} if default_of else {**beside, **_suggest_config(trial, name, contestants)}
    began = time.perf_counter()
    trial.set_user_attr("model", name)
    trial.set_user_attr("config", json.dumps(nested(chosen)))
    figures: list[float] = []
    state = TrialState.COMPLETE
    try:
        recommender = as_recommender(model(name)({**contestants[name], **nested(chosen)}))
        settings = json.dumps(recommender.config.model_dump(mode="json"))
        trial.set_user_attr("settings", settings)
        known = _value_of(study, name, settings)
        for figure in judge(recommender) if known is None else [known]:
            if not math.isfinite(figure):
                trial.set_user_attr("reason", f"its figure on validation split {len(figures)} is {figure}")
                state = TrialState.FAIL
                break
            figures.append(figure)
            trial.report(math.fsum(figures) / len(figures), len(figures))
            if trial.should_prune():
                state = TrialState.PRUNED
                break
    except (ConfigError, DataError) as error:
        trial.set_user_attr("reason", str(error))
        state = TrialState.FAIL
    trial.set_user_attr("seconds", round(time.perf_counter() - began, 3))
    study.tell(trial, math.fsum(figures) / len(figures) if state == TrialState.COMPLETE else None, state)


def _value_of(study: Study, name: str, settings: str) -> float | None:
    """What a model with the same settings was judged at before: of a few choices the sampler draws each many times."""
    for one in study.trials:
        told = one.user_attrs
        if one.state.name == "COMPLETE" and (told.get("model"), told.get("settings")) == (name, settings):
            return one.value
    return None


def _suggest_model(trial: Trial, names: list[str]) -> str:
    return names[0] if len(names) == 1 else str(trial.suggest_categorical("model", names))


def _suggest_config(trial: Trial, name: str, contestants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    # Where several models share an option's name, each has its own of the sampler's parameters.
    prefix = "" if len(contestants) == 1 else f"{name}:"
    space = _space(name, contestants[name])
    return {option: _suggest(trial, prefix + option, values) for option, values in space.items()}


def _suggest(trial: Trial, parameter: str, values: Numbers | Choices) -> Any:
    if isinstance(values, Choices):
        return trial.suggest_categorical(parameter, values.values)
    if values.whole:
        return trial.suggest_int(parameter, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(parameter, values.low, values.high, log=values.log)


def _so_far(study: Study) -> str:
    complete = [one for one in study.trials if one.state.name == "COMPLETE" and one.value is not None]
    if not complete:
        return "nothing could be judged yet"
    best = max(complete, key=lambda one: one.value or 0.0)
    return f"best so far {best.user_attrs['model']} {best.value:.4f}"


def found_in(study: Study, contestants: Mapping[str, Mapping[str, Any]]) -> Tuned:
    """The best of a study's trials.

    Raises:
        ConfigError: None was judged to its end; says why.
    """
    records = tuple(_record(one) for one in study.trials if one.state.is_finished())
    complete = [one for one in records if one.status == "complete"]
    if not complete:
        reasons = "; ".join(dict.fromkeys(one.reason for one in records if one.reason))
        raise ConfigError(f"{', '.join(contestants)}: no trial could be judged: {reasons or 'none came to an end'}")
    # The first of equals: the defaults, where nothing is better.
    best = max(complete, key=lambda one: (one.value or 0.0, -one.number))
    default = next((one.value for one in complete if one.model == best.model and not one.config), None)
    assert best.value is not None
    return Tuned(best.model, {**contestants[best.model], **best.config}, best.value, default, records)


def _record(trial: Any) -> TrialRecord:
    status: dict[str, Literal["complete", "pruned", "refused"]] = {
        "COMPLETE": "complete",
        "PRUNED": "pruned",
        "FAIL": "refused",
    }
    told = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        model=told["model"],
        config=json.loads(told["config"]),
        value=trial.value,
        seconds=told.get("seconds", 0.0),
        status=status[trial.state.name],
        reason=told.get("reason", ""),
    )
