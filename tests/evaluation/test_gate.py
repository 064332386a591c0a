from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.gate import gate


def _users(gain: float = 0.0, seed: int = 0, n: int = 400) -> np.ndarray:
    """The same users under a model that is better by exactly ``gain`` on average, though not for each of them."""
    noise = np.random.default_rng(seed + 1).normal(0, 0.05, n)
    return np.random.default_rng(0).beta(1, 3, n) + gain + noise - noise.mean()


def test_the_best_of_those_that_pass_wins() -> None:
    result = gate(
        {"good": _users(0.02), "best": _users(0.05, seed=1), "same": _users(seed=2)},
        _users(seed=9),
        0.1,
        champion_name="popularity",
    )
    assert [(row.name, row.passes) for row in result.candidates] == [("good", True), ("best", True), ("same", False)]
    assert (result.winner, result.champion) == ("best", "popularity")
    assert result.reason.startswith("best passes: ndcg@10 0.")
    assert "reaches the threshold 0.1; better: +0.0" in result.reason
    assert "not proven better" in result.candidates[2].reason


def test_better_than_the_champion_is_not_enough_below_the_threshold() -> None:
    result = gate({"good": _users(0.05)}, _users(seed=9), 0.9)
    [verdict] = result.candidates
    assert (verdict.beats_champion, verdict.passes_threshold, verdict.passes) == (True, False, False)
    assert result.winner is None
    assert "below the threshold 0.9" in result.reason


def test_over_the_threshold_is_not_enough_against_the_champion() -> None:
    [verdict] = gate({"bad": _users(-0.05)}, _users(seed=9), 0.1).candidates
    assert (verdict.passes_threshold, verdict.passes) == (True, False)
    assert "worse: " in verdict.reason


def test_a_mean_equal_to_the_threshold_passes_it() -> None:
    values = np.array([0.25, 0.5, 0.75])
    assert gate({"x": values}, None, 0.5).candidates[0].passes_threshold


def test_several_candidates_share_the_alpha() -> None:
    # Just significant alone, not when it is the best of twenty.
    champion = np.zeros(400)
    lucky = np.random.default_rng(3).normal(0, 1, 400)
    lucky += 2.3 / 20 - lucky.mean()
    alone = gate({"lucky": lucky}, champion, -1.0)
    assert alone.winner == "lucky"
    noise = {f"other{i}": np.random.default_rng(i + 100).normal(-1, 1, 400) for i in range(19)}
    among_many = gate({"lucky": lucky, **noise}, champion, -1.0)
    assert among_many.alpha_each == pytest.approx(0.05 / 20)
    assert among_many.winner is None


def test_without_a_champion_the_threshold_decides() -> None:
    result = gate({"a": _users(), "b": _users(0.1)}, None, 0.3)
    assert (result.winner, result.champion) == ("b", None)
    assert math.isnan(result.champion_mean)
    assert result.candidates[0].comparison is None
    assert "no champion to beat yet" in result.reason


def test_degenerate_comparisons_do_not_pass_and_say_why() -> None:
    champion = np.array([0.1, 0.2, np.nan, np.nan])
    result = gate(
        {
            "same": champion.copy(),
            "shifted": champion + 0.5,
            "others": np.array([np.nan, np.nan, 0.9, 0.9]),
            "nobody": np.full(4, np.nan),
        },
        champion,
        0.0,
    )
    assert result.winner is None
    same, shifted, others, nobody = (verdict.reason for verdict in result.candidates)
    assert "differs from champion by +0.0000 for every user: no interval can be made" in same
    assert "by +0.5000 for every user" in shifted
    assert "shares no user with champion" in others
    assert "no user has a value of ndcg@10" in nobody


def test_no_candidates() -> None:
    result = gate({}, _users(), 0.1)
    assert (result.winner, result.candidates, result.reason) == (None, (), "there was no candidate")


def test_false_challengers_are_rare_however_many_try() -> None:
    # 150 galas of five candidates that are the champion plus noise: any passes with chance alpha / 2 at most.
    rng = np.random.default_rng(0)
    n_galas, passed = 150, 0
    for gala in range(n_galas):
        champion = rng.beta(1, 3, 200)
        candidates = {str(i): champion + rng.normal(0, 0.1, 200) for i in range(5)}
        passed += gate(candidates, champion, 0.0, n_resamples=1000, seed=gala).winner is not None
    assert passed / n_galas <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n_galas)
