"""A search for hyperparameters as one page: how it went, what each option did, what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evaluation.tuning_charts import history_chart, option_chart

_TEMPLATE = "tuning.html.jinja"


class TriedModel(NamedTuple):
    """One trial.

    Attributes:
        model: Name of the model.
        config: Hyperparameters that differ from the defaults; empty: the defaults.
        value: Its figure; None where it has none.
        status: ``complete``, ``pruned`` or ``refused``.
    """

    model: str
    config: Mapping[str, Any]
    value: float | None
    status: str


def tuning_html(
    trials: Sequence[TriedModel],
    *,
    metric: str,
    best: str,
    config: Mapping[str, Any],
    value: float,
    default_value: float | None,
) -> str:
    """The page.

    Args:
        trials: In the order in which they were made, at least one complete.
        metric: What was maximised, e.g. "ndcg@10".
        best: Model of the best trial.
        config: Its hyperparameters.
        value: Its figure.
        default_value: The figure of the same model's defaults; None: there is none.

    Returns:
        HTML that fetches nothing, in which every text is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    numbered = [(number, trial) for number, trial in enumerate(trials) if trial.value is not None]
    of_best = [trial for trial in trials if trial.model == best and trial.value is not None]
    options = sorted({option for trial in of_best for option in _flat(trial.config)})
    charts = [(option, option_chart(_points(of_best, option), option=option, metric=metric)) for option in options]
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(_TEMPLATE).render(
        metric=metric,
        best=best,
        config=json.dumps(dict(config), ensure_ascii=False),
        value=f"{value:.4f}",
        default_value=None if default_value is None else f"{default_value:.4f}",
        n_trials=len(trials),
        history=history_chart([(number, trial.model, trial.value or 0.0) for number, trial in numbered], metric=metric),
        charts=[(option, chart) for option, chart in charts if chart],
        rows=[
            (number, trial.model, json.dumps(dict(trial.config)), trial.status, _figure(trial.value))
            for number, trial in enumerate(trials)
        ],
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options with those inside mappings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _points(trials: Sequence[TriedModel], option: str) -> list[tuple[Any, float]]:
    flat = [(_flat(trial.config), trial.value) for trial in trials]
    return [(config[option], value) for config, value in flat if option in config and value is not None]
