"""Rollouts of every outcome for the tests of words, report and verdict: seeded traffic, the project's own intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from experiments.bayes.bayesian import gaussian_posterior
from experiments.foretelling import OfflineDifference, OfflineEvidence
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence
from experiments.report import LeaderboardRow, ReportContext
from experiments.result import DecisionKind, LookResult, MetricLook, RolloutResult, StepResult
from experiments.spec import ExperimentSpec, parse_spec

SPEC: ExperimentSpec = parse_spec(
    {
        "name": "popularity-vs-ease",
        "variants": {"champion": "models:/recommender/1", "challenger": "models:/recommender/3"},
    }
)
STEPS = ((5, 4_000), (25, 6_000), (50, 26_000))


def _look(
    number: int, percent: int, sessions: int, arms: np.ndarray, decision: DecisionKind, reason: str
) -> LookResult:
    """A look over cumulative counts: arms = [[challenger sessions, clicked], [control sessions, clicked]]."""
    (n_challenger, y_challenger), (n_control, y_control) = arms.tolist()
    rate, control_rate = y_challenger / n_challenger, y_control / n_control
    effect = rate - control_rate
    se = math.sqrt(rate * (1 - rate) / n_challenger + control_rate * (1 - control_rate) / n_control)
    n = 4 / (1 / n_challenger + 1 / n_control)
    ci = confidence_sequence(effect, se, n, SPEC.analysis.n_star, SPEC.analysis.alpha)
    relative = effect / control_rate if control_rate else math.nan
    relative_se = se / control_rate if control_rate else math.nan
    rel_ci = confidence_sequence(relative, relative_se, n, SPEC.analysis.n_star, SPEC.analysis.alpha)
    posterior = gaussian_posterior(effect, se)
    return LookResult(
        look=number,
        step_percent=percent,
        sessions=sessions,
        challenger_sessions=int(n_challenger),
        control_sessions=int(n_control),
        challenger_mean=rate,
        control_mean=control_rate,
        effect_size=effect,
        ci_lower=ci.lower,
        ci_upper=ci.upper,
        rel_effect_size=relative,
        rel_ci_lower=rel_ci.lower,
        rel_ci_upper=rel_ci.upper,
        pvalue=always_valid_pvalue(effect, se, n, SPEC.analysis.n_star, SPEC.analysis.alpha),
        chance_to_win=posterior.chance_to_win,
        expected_loss=posterior.expected_loss,
        srm_pvalue=0.74,
        error_rate=0.0004,
        empty_rate=0.0,
        latency_p95_ms=18.4,
        decision=decision,
        reasons=(reason,),
    )


def _rollout(rate: float, control_rate: float, decision: DecisionKind, reason: str, looks: int) -> RolloutResult:
    """Traffic at two click rates, cut off after so many looks with the given decision."""
    rng = np.random.default_rng(4)
    schedule = [percent for percent, sessions in STEPS for _ in range(sessions // 1000)][:looks]
    total, history, steps = np.zeros((2, 2), int), [], {}
    for number, percent in enumerate(schedule, start=1):
        n = rng.binomial(1000, percent / 100, size=2)
        seen = np.stack([n, rng.binomial(n, [rate, control_rate])], axis=1)
        total, steps[percent] = total + seen, steps.get(percent, 0) + seen
        said = (decision, reason) if number == len(schedule) else ("continue", "undecided")
        history.append(_look(number, percent, number * 1000, total, *said))
    return RolloutResult(
        experiment=SPEC.name,
        decision=decision,
        reasons=(reason,),
        control="popularity",
        control_version="1",
        challenger="ease",
        challenger_version="3",
        champion_after="3" if decision == "promote" else "1",
        plant="none",
        units=14_212,
        all_units=40_000,
        exposed_units=7_100,
        steps=tuple(_step(percent, counts, schedule, decision) for percent, counts in steps.items()),
        looks=tuple(history),
    )


def _step(percent: int, counts: np.ndarray, schedule: list[int], decision: DecisionKind) -> StepResult:
    (n_challenger, y_challenger), (n_control, y_control) = counts.tolist()
    return StepResult(
        percent=percent,
        sessions=1000 * schedule.count(percent),
        looks=schedule.count(percent),
        challenger_sessions=n_challenger,
        control_sessions=n_control,
        challenger_mean=y_challenger / n_challenger,
        control_mean=y_control / n_control,
        decision=decision if percent == schedule[-1] else "continue",
    )


def watched(result: RolloutResult, decision: DecisionKind, reason: str, error_rate: float) -> RolloutResult:
    """The rollout with a watch at 100 % after it: no control, so every figure of the comparison is NaN."""
    before = result.looks[-1]
    unknown = {name: math.nan for name, value in vars(before).items() if isinstance(value, float)}
    look = replace(
        before,
        **{**unknown, "error_rate": error_rate, "empty_rate": 0.0, "latency_p95_ms": 19.1},
        look=before.look + 1,
        step_percent=100,
        sessions=before.sessions + 1000,
        challenger_sessions=1000,
        control_sessions=0,
        decision=decision,
        reasons=(reason,),
    )
    step = StepResult(100, 1000, 1, 1000, 0, 0.315, math.nan, decision)
    return replace(
        result,
        decision=decision,
        reasons=(reason,),
        champion_after="3" if decision == "promote" else "1",
        steps=(*result.steps, step),
        looks=(*result.looks, look),
    )


def with_metrics(result: RolloutResult, likes_lost: float = 0.0) -> RolloutResult:
    """The rollout with a secondary metric that gains and a guardrail, of a margin of 20 %, that loses so much."""
    share = MetricLook(
        "session_share", "secondary", 0.0, False, 0.11, 0.1, 0.01, 0.002, 0.018, 0.1, 0.02, 0.18, 0.01, 0.01, 0.99
    )
    relative = (-likes_lost, -likes_lost - 0.08, -likes_lost + 0.08)
    effect, lower, upper = (0.2 * part for part in relative)
    likes = MetricLook(
        "likes", "guardrail", 0.2, False, 0.2 + effect, 0.2, effect, lower, upper, *relative, 0.3, math.nan, 0.4
    )
    looks = tuple(replace(look, metrics=(share, likes)) if look.step_percent < 100 else look for look in result.looks)
    return replace(result, looks=looks)


def promoted() -> RolloutResult:
    """Won in the last step and held in the watch."""
    return watched(_rollout(0.319, 0.25, "promote", "primary_better", 17), "promote", "guardrails_held", 0.001)


def rolled_back() -> RolloutResult:
    """Lost early."""
    return _rollout(0.157, 0.319, "rollback", "primary_worse", 7)


def kept() -> RolloutResult:
    """The same model twice."""
    return replace(_rollout(0.25, 0.25, "keep", "no_boundary_crossed", 36), plant="aa", challenger="popularity")


def running() -> RolloutResult:
    """A challenger somewhat ahead, in the middle of the canary."""
    return _rollout(0.27, 0.25, "continue", "undecided", 9)


def invalid() -> RolloutResult:
    """A split that is not even."""
    result = _rollout(0.30, 0.25, "invalid", "srm", 6)
    return replace(result, looks=(*result.looks[:-1], replace(result.looks[-1], srm_pvalue=3.1e-7)))


def broke_guardrail() -> RolloutResult:
    """A challenger whose server fails while its clicks are undecided."""
    result = _rollout(0.25, 0.25, "rollback", "error_rate", 3)
    return replace(result, looks=(*result.looks[:-1], replace(result.looks[-1], error_rate=0.0713)))


def broke_watch() -> RolloutResult:
    """A winner whose server fails once it has all traffic."""
    return watched(_rollout(0.319, 0.25, "promote", "primary_better", 17), "rollback", "error_rate", 0.048)


def nobody_clicked() -> RolloutResult:
    """A control without a click: no relative effect."""
    return _rollout(0.05, 0.0, "promote", "primary_better", 14)


def not_begun() -> RolloutResult:
    """No look taken yet."""
    return replace(running(), steps=(), looks=(), reasons=(), champion_after="")


EXAMPLES = {
    "promoted": promoted,
    "rolled_back": rolled_back,
    "kept": kept,
    "running": running,
    "invalid": invalid,
    "broke_guardrail": broke_guardrail,
    "broke_watch": broke_watch,
    "nobody_clicked": nobody_clicked,
    "not_begun": not_begun,
}

OFFLINE = OfflineEvidence(
    differences=(
        OfflineDifference("ndcg@10", 0.0812, 0.1612, 0.08, 0.061, 0.099, 597),
        OfflineDifference("mrr@10", 0.2511, 0.2562, 0.0051, -0.0093, 0.0195, 597),
        OfflineDifference("recall@10", 0.0701, 0.0612, -0.0089, -0.0171, -0.0004, 597),
        OfflineDifference("coverage@10", 0.0098, 0.0823, 0.0725, math.nan, math.nan, 597),
    ),
    n_tested=3,
)

CONTEXT = ReportContext(
    spec=SPEC,
    data="ml-latest-small: 100,836 ratings by 610 users of 9,724 films (ml-latest-small.zip)",
    leaderboard=(
        LeaderboardRow("ease", {"ndcg@10": 0.1612, "recall@10": 0.1401, "coverage@10": 0.0823}, "challenger"),
        LeaderboardRow("item_knn", {"ndcg@10": 0.1412, "recall@10": 0.1201, "coverage@10": 0.1204}),
        LeaderboardRow("popularity", {"ndcg@10": 0.0812, "recall@10": 0.0701, "coverage@10": 0.0098}, "champion"),
    ),
    offline=OFFLINE,
    seconds={"get-data": 2.1, "train-model": 11.2, "evaluate-model": 4.0, "ab-rollout": 64.8, "total": 131.0},
    run_folder="/home/ana/screentest/runs/20260102-120000-none-seed42-ab12",
    hints=(
        ("MLflow", "make up"),
        ("This report", "/home/ana/screentest/runs/20260102-120000-none-seed42-ab12/report.html"),
    ),
    provenance={"code version": "0d5c47e", "data sha256": "a3f5c9d2e1b7446688aa99ff" * 3, "seed": "42"},
)
