"""Values computed by others (GrowthBook, closed forms), from a language-neutral table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.assignment import bucket, bucket_ranges, buckets
from experiments.bandits.ucb1 import UCB1
from experiments.bayes.bayesian import beta_binomial_posterior, gaussian_posterior
from experiments.bayes.best_arm import best_of_estimates
from experiments.inference.binomial_intervals import wilson
from experiments.inference.comparison import Comparison
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.inference.multiplicity import benjamini_hochberg, holm
from experiments.inference.srm import fixed_srm
from experiments.looks.group_sequential import spending_boundary
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence
from experiments.planning.baselines import mean_baseline, proportion_baseline
from experiments.planning.power import sample_size
from experiments.planning.power_plan import PowerPlan

CASES = json.loads((Path(__file__).parent / "reference_cases.json").read_text())["cases"]


def relative_effect(control: dict[str, int], treatment: dict[str, int]) -> tuple[float, float]:
    """Relative difference of two proportions and its delta-method standard error, variance p (1 - p)."""
    p, q = control["successes"] / control["n"], treatment["successes"] / treatment["n"]
    variance = q * (1 - q) / (p**2 * treatment["n"]) + p * (1 - p) * q**2 / (p**4 * control["n"])
    return q / p - 1, math.sqrt(variance)


def sequential(inputs: dict[str, Any]) -> dict[str, Any]:
    effect, se = relative_effect(inputs["control"], inputs["treatment"])
    n = inputs["control"]["n"] + inputs["treatment"]["n"]
    design = {"n": n, "n_star": inputs["n_star"], "alpha": inputs["alpha"]}
    return {
        "ci": list(confidence_sequence(effect, se, **design)),
        "pvalue": always_valid_pvalue(effect, se, **design),
    }


def flat_prior(inputs: dict[str, Any]) -> dict[str, Any]:
    posterior = gaussian_posterior(*relative_effect(inputs["control"], inputs["treatment"]))
    return {
        "chance_to_win": posterior.chance_to_win,
        "ci": list(posterior.credible),
        "expected_loss_control": posterior.expected_loss_control,
        "expected_loss_treatment": posterior.expected_loss,
    }


def beta_binomial(inputs: dict[str, Any]) -> dict[str, Any]:
    control, treatment = inputs["control"], inputs["treatment"]
    posterior = beta_binomial_posterior(treatment["successes"], treatment["n"], control["successes"], control["n"])
    return {
        "chance_to_win": posterior.chance_to_win,
        "expected_loss_control": posterior.expected_loss_control,
        "expected_loss_treatment": posterior.expected_loss,
    }


def srm(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"pvalue": fixed_srm(inputs["counts"], inputs["weights"]).pvalue}


def hashes(inputs: dict[str, Any]) -> dict[str, Any]:
    one_by_one = [bucket(seed, value) for seed, value in inputs["pairs"]]
    assert one_by_one == [float(buckets(seed, [value])[0]) for seed, value in inputs["pairs"]]
    return {"buckets": one_by_one}


def ranges(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"ranges": [list(pair) for pair in bucket_ranges(inputs["coverage"], inputs["weights"])]}


def _mean(arm: dict[str, Any]) -> Estimate:
    return mean_estimate(Moments.from_sums(arm["n"], [arm["sum"]], [[arm["sum_squares"]]]))


def _compared(found: Comparison, difference: str) -> dict[str, Any]:
    if difference == "relative":
        return {
            "effect": found.rel_effect_size,
            "ci": [found.rel_ci_lower, found.rel_ci_upper],
            "pvalue": found.rel_pvalue,
            "se": found.rel_se,
        }
    return {
        "effect": found.effect_size,
        "ci": [found.ci_lower, found.ci_upper],
        "pvalue": found.pvalue,
        "df": found.df,
    }


def means(inputs: dict[str, Any]) -> dict[str, Any]:
    found = welch(_mean(inputs["treatment"]), _mean(inputs["control"]), alpha=inputs["alpha"])
    return _compared(found, inputs["difference"])


def shares(inputs: dict[str, Any]) -> dict[str, Any]:
    arms = (proportion_estimate(inputs[arm]["n"], inputs[arm]["successes"]) for arm in ("treatment", "control"))
    found = _compared(welch(*arms, alpha=inputs["alpha"]), inputs["difference"])
    return {field: found[field] for field in ("ci", "pvalue")}


def corrected(inputs: dict[str, Any]) -> dict[str, Any]:
    correct = {"holm": holm, "bh": benjamini_hochberg}[inputs["method"]]
    return {"adjusted": correct(inputs["pvalues"]).tolist()}


def two_shares(inputs: dict[str, Any]) -> dict[str, Any]:
    plan = PowerPlan(alpha=inputs["alpha"], power=inputs["power"])
    effect = inputs["p_treatment"] - inputs["p_control"]
    return {"n_per_arm": sample_size(proportion_baseline(inputs["p_control"]), effect, plan).n_control}


def t_test(inputs: dict[str, Any]) -> dict[str, Any]:
    plan = PowerPlan(alpha=inputs["alpha"], power=inputs["power"])
    return {"n_per_arm": sample_size(mean_baseline(0.0, 1.0), inputs["effect_size"], plan).n_control}


def share_interval(inputs: dict[str, Any]) -> dict[str, Any]:
    assert inputs["method"] == "wilson"
    return {"ci": list(wilson(inputs["successes"], inputs["n"]))}


def best_arms(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"p_best": list(best_of_estimates([_mean(arm) for arm in inputs["arms"]]).p_best)}


def upper_bounds(inputs: dict[str, Any]) -> dict[str, Any]:
    policy = UCB1(sorted(set(inputs["arms"])), alpha=inputs["alpha"])
    for arm, reward in zip(inputs["arms"], inputs["rewards"], strict=True):
        policy.update(arm, reward)
    return dict(zip(policy.arms, policy.upper_bound(policy.statistics()).tolist(), strict=True))


def boundary(inputs: dict[str, Any]) -> dict[str, Any]:
    assert inputs["spending"] == "obf_lan_demets"
    fractions = [(look + 1) / inputs["k"] for look in range(inputs["k"])]
    return {"bounds": list(spending_boundary(fractions).upper)}


COMPUTE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "confidence sequence proportion relative": sequential,
    "bayesian flat prior proportion relative": flat_prior,
    "beta-binomial exact": beta_binomial,
    "srm two arms": srm,
    "srm zero-weight arm is an alarm of its own": srm,
    "hash v2": hashes,
    "bucket ranges": ranges,
    "welch relative": means,
    "welch absolute": means,
    "proportion relative": shares,
    "holm": corrected,
    "benjamini-hochberg": corrected,
    "two-proportion sample size": two_shares,
    "t-test sample size d=.1": t_test,
    "wilson": share_interval,
    "bandit best-arm probabilities": best_arms,
    "ucb1": upper_bounds,
    "group-sequential OBF K=5": boundary,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_reference_case(case: dict[str, Any]) -> None:
    computed = COMPUTE[case["name"]](case["inputs"])
    assert computed.keys() == case["expected"].keys()
    for field, expected in case["expected"].items():
        for ours, theirs in zip(flat(computed[field]), flat(expected), strict=True):
            assert ours == pytest.approx(theirs, abs=case["tol"], rel=0), field


def test_a_tiny_pvalue_agrees_relatively() -> None:
    """The case's tolerance is absolute, which any p-value below 1e-6 would pass."""
    (case,) = (case for case in CASES if case["name"] == "confidence sequence proportion relative")
    assert sequential(case["inputs"])["pvalue"] == pytest.approx(case["expected"]["pvalue"], rel=1e-6)


def flat(value: Any) -> list[float]:
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [value]
