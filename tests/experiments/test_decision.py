"""What each look decides, and in which order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.decision import REASONS, LookData, Reason, decide, decide_watch, look_result
from experiments.inference.clusters import ClusterMoments
from experiments.spec import ExperimentSpec

SPEC = ExperimentSpec(
    name="decision",
    variants={"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
)
N_STEPS = len(SPEC.rollout.steps)


def arm(step: int, sessions: int, clicks: int) -> ClusterMoments:
    """One session per unit, all in one step."""
    return ClusterMoments.from_rows(
        np.arange(sessions), np.full(sessions, step), np.ones(sessions), np.arange(sessions) < clicks, N_STEPS
    )


def look(step: int, sessions: int, challenger: tuple[int, int], control: tuple[int, int]) -> LookData:
    """A look with (sessions, clicks) of each arm."""
    return LookData(
        step_index=step,
        sessions=sessions,
        challenger=arm(step, *challenger),
        control=arm(step, *control),
        challenger_units=challenger[0],
        control_units=control[0],
        challenger_sessions=challenger[0],
        latency_p95_ms=20.0,
    )


BETTER, WORSE, EQUAL = (4000, 1400), (4000, 800), (4000, 1040)
CONTROL = (4000, 1000)


@pytest.mark.parametrize(
    ("seen", "kind", "reasons", "advance"),
    [
        (look(0, 1000, (50, 12), (50, 12)), "continue", ("too_few_sessions",), False),
        (look(0, 4000, (50, 12), (50, 12)), "continue", ("too_few_sessions",), True),
        (look(0, 3000, (150, 40), (150, 37)), "continue", ("undecided",), False),
        (look(0, 4000, (200, 52), (200, 50)), "continue", ("undecided",), True),
        (look(0, 4000, (200, 0), (200, 0)), "continue", ("effect_undefined",), True),
        (look(1, 9000, WORSE, CONTROL), "rollback", ("primary_worse",), False),
        (look(0, 4000, WORSE, CONTROL), "rollback", ("primary_worse",), False),
        (look(1, 9000, BETTER, CONTROL), "continue", ("better_before_last_step",), False),
        (look(1, 10_000, BETTER, CONTROL), "continue", ("better_before_last_step",), True),
        (look(2, 11_000, BETTER, CONTROL), "promote", ("primary_better",), False),
        (look(2, 36_000, BETTER, CONTROL), "promote", ("primary_better",), False),
        (look(2, 36_000, WORSE, CONTROL), "rollback", ("primary_worse",), False),
        (look(2, 35_000, EQUAL, CONTROL), "continue", ("undecided",), False),
        (look(2, 36_000, EQUAL, CONTROL), "keep", ("no_boundary_crossed",), False),
        (look(2, 36_000, (20, 5), (20, 5)), "keep", ("no_boundary_crossed",), False),
    ],
)
def test_table(seen: LookData, kind: str, reasons: tuple[str, ...], advance: bool) -> None:
    decision = decide(SPEC, seen)
    assert (decision.kind, decision.reasons, decision.advance_step) == (kind, reasons, advance)


def test_a_look_of_late_sessions_still_ends_its_step() -> None:
    assert decide(SPEC, look(0, 4_003, (200, 52), (200, 50))).advance_step


def test_too_few_challenger_sessions_cannot_decide_however_bad() -> None:
    seen = look(0, 2000, (99, 0), (99, 90))
    assert decide(SPEC, seen).ci.upper < 0
    assert decide(SPEC, seen).reasons == ("too_few_sessions",)
    assert decide(SPEC, look(0, 2000, (100, 0), (100, 90))).reasons == ("primary_worse",)


def test_a_guardrail_goes_before_a_better_effect() -> None:
    decision = decide(SPEC, replace(look(2, 36_000, BETTER, CONTROL), errors=200))
    assert (decision.kind, decision.reasons) == ("rollback", ("error_rate",))
    assert decision.error_rate == pytest.approx(0.05)


def test_a_dead_challenger_is_rolled_back_at_the_first_look() -> None:
    decision = decide(SPEC, replace(look(0, 1000, (50, 0), (50, 12)), errors=50, latency_p95_ms=math.nan))
    assert (decision.kind, decision.reasons, decision.advance_step) == ("rollback", ("error_rate",), False)


@pytest.mark.parametrize(
    ("sessions", "failed", "kind", "reasons"),
    [
        (36_000, 0, "promote", ("primary_better",)),
        # BETTER is ten points ahead, the interval begins some six above zero: fewer failures cannot explain it.
        (36_000, 120, "promote", ("primary_better",)),
        (35_000, 400, "continue", ("control_failing",)),
        (36_000, 400, "keep", ("control_failed",)),
        (36_000, 4000, "keep", ("control_failed",)),
    ],
)
def test_a_control_that_failed_promotes_nobody(sessions: int, failed: int, kind: str, reasons: tuple[str, ...]) -> None:
    decision = decide(SPEC, replace(look(2, sessions, BETTER, CONTROL), control_errors=failed))
    assert (decision.kind, decision.reasons) == (kind, reasons)


def test_a_control_that_failed_does_not_save_a_challenger_that_is_worse() -> None:
    decision = decide(SPEC, replace(look(1, 9000, WORSE, CONTROL), control_errors=1000))
    assert (decision.kind, decision.reasons) == ("rollback", ("primary_worse",))


def test_equal_models_are_never_told_apart_by_how_often_the_control_failed() -> None:
    sessions, clicks = CONTROL
    flattered = 0
    for failed in range(0, sessions + 1, 100):
        # Nobody clicks where it failed.
        hurt = (sessions, clicks - clicks * failed // sessions)
        seen = replace(look(2, 36_000, CONTROL, hurt), control_errors=failed)
        flattered += decide(SPEC, replace(seen, control_errors=0)).kind == "promote"
        assert decide(SPEC, seen).kind == "keep", failed
    assert flattered > 20, "without the rule most of them are promoted"


def test_a_sample_ratio_mismatch_goes_before_everything() -> None:
    seen = replace(look(2, 36_000, BETTER, CONTROL), errors=4000, challenger_units=3000)
    decision = decide(SPEC, seen)
    assert (decision.kind, decision.reasons) == ("invalid", ("srm",))
    assert decision.srm_pvalue < 0.001


def test_before_any_session_there_is_nothing_to_decide() -> None:
    nothing = LookData(0, 0, ClusterMoments.empty(N_STEPS), ClusterMoments.empty(N_STEPS), 0, 0, 0)
    decision = decide(SPEC, nothing)
    assert (decision.kind, decision.reasons) == ("continue", ("too_few_sessions",))
    assert math.isnan(decision.pvalue)
    assert math.isnan(decision.srm_pvalue)
    assert math.isnan(decision.error_rate)


clicks = st.integers(0, 600)


@given(clicks, clicks)
def test_swapping_the_arms_swaps_promotion_and_rollback(one: int, two: int) -> None:
    """In the last step, where both may happen."""
    there = decide(SPEC, look(2, 36_000, (600, one), (600, two)))
    back = decide(SPEC, look(2, 36_000, (600, two), (600, one)))
    mirror = {"promote": "rollback", "rollback": "promote", "keep": "keep"}
    assert back.kind == mirror[there.kind]


@given(clicks, clicks, st.integers(0, N_STEPS - 1))
def test_figures_are_in_their_ranges(one: int, two: int, step: int) -> None:
    decision = decide(SPEC, look(step, 36_000, (600, one), (600, two)))
    assert decision.reasons
    assert all(REASONS[reason] == decision.kind for reason in decision.reasons)
    assert 0 <= decision.srm_pvalue <= 1
    if not math.isnan(decision.pvalue):
        assert decision.effect is not None
        assert decision.ci.lower < decision.effect.effect_size < decision.ci.upper
        assert 0 <= decision.pvalue <= 1
        assert 0 <= decision.chance_to_win <= 1
        assert decision.expected_loss >= 0


def test_every_reason_is_documented_with_its_decision() -> None:
    assert set(get_args(Reason)) == set(REASONS)


@pytest.mark.parametrize(
    ("counts", "kind", "reasons"),
    [
        ((1000, 0, 0, 40.0), "promote", ("guardrails_held",)),
        ((1000, 20, 10, 40.0), "promote", ("guardrails_held",)),
        ((1000, 21, 0, 40.0), "rollback", ("error_rate",)),
        ((1000, 0, 11, 1001.0), "rollback", ("empty_rate", "latency")),
        ((0, 0, 0, math.nan), "promote", ("guardrails_held",)),
    ],
)
def test_watch(counts: tuple[int, int, int, float], kind: str, reasons: tuple[str, ...]) -> None:
    decision = decide_watch(SPEC, *counts)
    assert (decision.kind, decision.reasons, decision.effect) == (kind, reasons, None)


def test_look_result_carries_the_decision() -> None:
    seen = replace(look(2, 36_000, BETTER, CONTROL), empty=4)
    decision = decide(SPEC, seen)
    result = look_result(decision, number=36, step_percent=50, sessions=36_000, challenger_sessions=4000)
    assert (result.look, result.step_percent, result.decision, result.reasons) == (
        36,
        50,
        "promote",
        ("primary_better",),
    )
    assert (result.challenger_mean, result.control_mean) == pytest.approx((0.35, 0.25))
    assert result.effect_size == pytest.approx(0.1)
    assert result.rel_effect_size == pytest.approx(0.4)
    assert 0 < result.ci_lower < result.effect_size < result.ci_upper
    assert 0 < result.rel_ci_lower < result.rel_effect_size < result.rel_ci_upper
    assert (result.challenger_sessions, result.control_sessions) == (4000, 4000)
    assert result.empty_rate == 0.001


def test_look_result_of_the_watch_has_no_effect() -> None:
    decision = decide_watch(SPEC, 1000, 3, 0, 40.0)
    result = look_result(decision, number=37, step_percent=100, sessions=37_000, challenger_sessions=1000)
    assert (result.decision, result.control_sessions, result.error_rate) == ("promote", 0, 0.003)
    assert math.isnan(result.effect_size)
    assert math.isnan(result.ci_lower)
