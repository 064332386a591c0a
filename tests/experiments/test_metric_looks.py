"""The rollout's other metrics: what is told of them, and which end it or hold it up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from experiments.decision import LookData, decide, look_result
from experiments.inference.clusters import ClusterMoments
from experiments.metric_looks import MetricArms, harmed, metric_looks, unproven
from experiments.report_tables import Tag, metric_table
from experiments.result import MetricLook
from experiments.spec import ExperimentSpec, parse_spec

N_STEPS = 3
LARGE = 40_000


def spec(*, margin: float = 0.0, lower_is_better: bool = False, correction: str = "holm") -> ExperimentSpec:
    guardrail = {"name": "likes", "event": "like", "margin": margin, "lower_is_better": lower_is_better}
    return parse_spec(
        {
            "name": "others",
            "variants": {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
            "metrics": {"secondary": ["session_share", "session_purchase"], "guardrails": {"metrics": [guardrail]}},
            "analysis": {"correction": correction},
        }
    )


def arm(sessions: int, rate: float) -> ClusterMoments:
    """One session per unit, in the last step."""
    units = np.arange(sessions)
    hit = units < round(sessions * rate)
    return ClusterMoments.from_rows(units, np.full(sessions, N_STEPS - 1), np.ones(sessions), hit, N_STEPS)


def arms(challenger: float, control: float, sessions: int = LARGE) -> MetricArms:
    return MetricArms(arm(sessions, challenger), arm(sessions, control))


def look(clicks: MetricArms, likes: MetricArms, sessions: int = 30_000) -> LookData:
    return LookData(
        step_index=N_STEPS - 1,
        sessions=sessions,
        challenger=clicks.challenger,
        control=clicks.control,
        challenger_units=LARGE,
        control_units=LARGE,
        challenger_sessions=LARGE,
        latency_p95_ms=20.0,
        metrics={"likes": likes},
    )


BETTER, SAME, WORSE = arms(0.28, 0.25), arms(0.25, 0.25), arms(0.22, 0.25)


@pytest.mark.parametrize(
    ("margin", "lower_is_better", "likes", "kind", "reason"),
    [
        (0.0, False, SAME, "promote", "primary_better"),
        (0.0, False, WORSE, "rollback", "guardrail_worse"),
        (0.0, True, WORSE, "promote", "primary_better"),
        (0.0, True, BETTER, "rollback", "guardrail_worse"),
        (0.3, False, WORSE, "promote", "primary_better"),
        (0.2, False, SAME, "promote", "primary_better"),
        (0.001, False, SAME, "continue", "guardrail_undecided"),
        (0.001, False, arms(0.0, 0.0), "continue", "guardrail_undecided"),
        (0.05, False, WORSE, "rollback", "guardrail_worse"),
        (0.05, True, BETTER, "rollback", "guardrail_worse"),
    ],
)
def test_a_guardrail_metric_protects(
    margin: float, lower_is_better: bool, likes: MetricArms, kind: str, reason: str
) -> None:
    decision = decide(spec(margin=margin, lower_is_better=lower_is_better), look(BETTER, likes))
    assert (decision.kind, decision.reasons) == (kind, (reason,))


def test_what_was_not_shown_by_the_end_keeps_the_champion() -> None:
    decision = decide(spec(margin=0.001), look(BETTER, SAME, sessions=36_000))
    assert (decision.kind, decision.reasons, decision.advance_step) == ("keep", ("guardrail_unproven",), False)
    assert unproven(decision.metrics) == ("likes",)
    assert harmed(decision.metrics) == ()


def test_too_few_sessions_end_nothing() -> None:
    few = look(BETTER, WORSE)
    assert decide(spec(), LookData(**{**vars(few), "challenger_sessions": 99})).kind == "continue"


@pytest.mark.parametrize("correction", ["holm", "none"])
def test_the_figures_are_those_of_the_primary_metrics_method(correction: str) -> None:
    own = {"session_share": arms(0.31, 0.3), "session_purchase": arms(0.055, 0.05), "likes": SAME}
    found = metric_looks(spec(correction=correction), own)
    assert [one.name for one in found] == ["session_share", "session_purchase", "likes"]
    assert [one.role for one in found] == ["secondary", "secondary", "guardrail"]
    for one, both in zip(found, own.values(), strict=True):
        alone = decide(spec(), look(both, SAME))
        effect = alone.effect
        assert effect is not None
        assert (one.effect_size, one.ci_lower, one.ci_upper) == (effect.effect_size, alone.ci.lower, alone.ci.upper)
        assert (one.rel_ci_lower, one.pvalue, one.chance_to_win) == (
            alone.rel_ci.lower,
            alone.pvalue,
            alone.chance_to_win,
        )
    raw = [one.pvalue for one in found[:2]]
    if correction == "none":
        assert [one.pvalue_adjusted for one in found[:2]] == raw
    else:
        smaller, larger = sorted(raw)
        wanted = {smaller: min(2 * smaller, 1.0), larger: max(min(2 * smaller, 1.0), larger)}
        assert [one.pvalue_adjusted for one in found[:2]] == [wanted[value] for value in raw]
    assert math.isnan(found[2].pvalue_adjusted)


def test_a_harmless_guardrail_seldom_ends_a_rollout() -> None:
    """Fifty looks at a guardrail that does not differ: at most alpha / 2 of the runs are rolled back for it."""
    rng, stopped, runs, looks, more = np.random.default_rng(5), 0, 400, 50, 400
    plan = spec()
    for _ in range(runs):
        hits = np.cumsum(rng.binomial(more, 0.2, size=(2, looks)), axis=1)
        both = [[_counted(more * (seen + 1), hits[side, seen]) for side in (0, 1)] for seen in range(looks)]
        stopped += any(harmed(metric_looks(plan, {"likes": MetricArms(*seen)})) for seen in both)
    # The bound on what may be seen of a true rate of 2.5 %: exact binomial, 1 in 10,000.
    assert stopped <= stats.binom.ppf(0.9999, runs, 0.025)


def _counted(sessions: int, hits: int) -> ClusterMoments:
    """``arm`` without its rows: sums and cross products of 0/1 in one step."""
    z = np.zeros(2 * N_STEPS)
    z[N_STEPS - 1], z[-1] = hits, sessions
    cross = np.zeros((2 * N_STEPS, 2 * N_STEPS))
    cross[N_STEPS - 1, N_STEPS - 1] = cross[N_STEPS - 1, -1] = cross[-1, N_STEPS - 1] = hits
    cross[-1, -1] = sessions
    return ClusterMoments(sessions, z, cross)


def test_the_table_says_what_held() -> None:
    def rows(margin: float, likes: MetricArms) -> list[tuple[object, ...]]:
        own = {"session_share": SAME, "session_purchase": arms(0.0, 0.0), "likes": likes}
        return list(metric_table(metric_looks(spec(margin=margin), own), "en").rows)

    assert [row[0] for row in rows(0.0, SAME)] == ["session_share", "session_purchase", "likes"]
    assert rows(0.0, SAME)[2][1] == "guardrail"
    assert rows(0.2, SAME)[2][1] == "guardrail, may lose 20 %"
    assert rows(0.0, SAME)[0][-1] == "–"
    assert rows(0.0, SAME)[2][-1] == Tag("no harm shown", "held")
    assert rows(0.2, SAME)[2][-1] == Tag("held", "held")
    assert rows(0.001, SAME)[2][-1] == Tag("not shown", "unjudged")
    assert rows(0.05, WORSE)[2][-1] == Tag("broken", "broken")
    assert "nan" not in str(rows(0.0, SAME)).lower()


def test_a_look_keeps_its_metrics() -> None:
    decision = decide(spec(), look(BETTER, SAME))
    kept = look_result(decision, number=1, step_percent=50, sessions=30_000, challenger_sessions=LARGE)
    assert kept.metrics == decision.metrics
    assert all(isinstance(one, MetricLook) for one in kept.metrics)
