"""The fixed lane and the bandit lane of an experiment side by side, as they may be read at any time.

Which lane a unit is on is a salted hash of its own, so the lanes have the same kind of units at the same time, and what
a lane earns per session is comparable between them. So are the variants of the fixed lane. Those of the bandit lane
were shown to whom, and when, the bandit chose: their figures describe, they do not compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from events.lane_sums import ALL_VARIANTS, LaneSums, lane_sums
from events.session_table import Worth
from experiments.inference.estimates import Estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.json_document import json_document
from experiments.looks.confidence_sequences import BURN_IN, sequential_comparison
from experiments.looks.sequential import confidence_sequence
from experiments.spec import ExperimentSpec
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE

LANES: Mapping[int, str] = {FIXED_LANE: "fixed", BANDIT_LANE: "bandit"}


def lane_document(engine: Engine, spec: ExperimentSpec, *, as_of: int | None = None) -> dict[str, Any]:
    """Sessions and reward per session of each lane and variant, with intervals that hold at every look.

    The reward is what the primary metric makes of a session (any, count or sum of its events), whatever the metric's
    kind. Intervals are confidence sequences at the spec's alpha, clustered by unit; null before ``BURN_IN`` units.

    Args:
        engine: The event log.
        spec: An A/B/n test or a bandit.
        as_of: The log as it was after so many commits; None: as it is.

    Returns:
        ``metric``, ``alpha``, ``lanes`` by name (fixed, bandit), each with its own figures and ``variants``, and
        ``difference``: bandit minus fixed, None where there is one lane.

    Raises:
        EventLogError: The log cannot be read.
    """
    metric = spec.metrics.primary
    rows = lane_sums(
        engine,
        spec.name,
        Worth(metric.name, metric.event, metric.value),
        lanes=tuple(LANES),
        without_units=tuple(spec.allocation.forced),
        as_of=as_of,
    )
    return {
        "metric": metric.name,
        "alpha": spec.analysis.alpha,
        "lanes": {name: _lane(spec, [row for row in rows if row.lane == lane]) for lane, name in LANES.items()},
        "difference": _difference(spec, rows),
    }


def _lane(spec: ExperimentSpec, rows: Sequence[LaneSums]) -> dict[str, Any]:
    found = {row.variant: row for row in rows}
    names = [*spec.variant_names, *sorted(found.keys() - {ALL_VARIANTS, *spec.variant_names})]
    return {
        **_figures(spec, found.get(ALL_VARIANTS)),
        "variants": {name: _figures(spec, found.get(name)) for name in names},
    }


def _figures(spec: ExperimentSpec, row: LaneSums | None) -> dict[str, Any]:
    estimate = _estimate(row)
    lower = upper = math.nan
    early = estimate.n < BURN_IN
    if not early and estimate.variance > 0:
        se, analysis = math.sqrt(estimate.variance), spec.analysis
        lower, upper = confidence_sequence(estimate.value, se, estimate.n, analysis.n_star, analysis.alpha)
    return json_document(
        {
            "sessions": row.sessions if row else 0,
            "units": estimate.n,
            "reward_per_session": estimate.value,
            "ci_lower": lower,
            "ci_upper": upper,
            "status": "burn_in" if early and estimate.status == "ok" else estimate.status,
        }
    )


def _difference(spec: ExperimentSpec, rows: Sequence[LaneSums]) -> dict[str, Any] | None:
    whole = {row.lane: row for row in rows if row.variant == ALL_VARIANTS}
    if whole.keys() != set(LANES):
        return None
    found = sequential_comparison(
        _estimate(whole[BANDIT_LANE]),
        _estimate(whole[FIXED_LANE]),
        n_star=spec.analysis.n_star,
        alpha=spec.analysis.alpha,
    )
    names = ("effect_size", "ci_lower", "ci_upper", "pvalue", "rel_effect_size", "status")
    return json_document({name: getattr(found, name) for name in names})


def _estimate(row: LaneSums | None) -> Estimate:
    """Reward per session, with the variance of a ratio over units."""
    if row is None:
        return ratio_estimate(Moments.empty(2))
    products = [[row.worth_squared, row.product], [row.product, row.sessions_squared]]
    return ratio_estimate(Moments.from_sums(row.units, [row.worth, row.sessions], products))
