"""Values computed by others (GrowthBook, closed forms), from a language-neutral table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.assignment import bucket, bucket_ranges, buckets
from experiments.bayes.bayesian import beta_binomial_posterior, gaussian_posterior
from experiments.inference.srm import fixed_srm
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence

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


COMPUTE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "confidence sequence proportion relative": sequential,
    "bayesian flat prior proportion relative": flat_prior,
    "beta-binomial exact": beta_binomial,
    "srm two arms": srm,
    "srm zero-weight arm is an alarm of its own": srm,
    "hash v2": hashes,
    "bucket ranges": ranges,
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
