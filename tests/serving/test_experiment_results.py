"""Both lanes side by side, and the analysis of the fixed one, against the sessions themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
import pytest
from sqlalchemy import Engine

from events.database import open_database
from events.experiments import ExperimentRecord
from experiments.inference.estimates import Estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.looks.confidence_sequences import sequential_comparison
from experiments.looks.sequential import confidence_sequence
from experiments.spec import parse_spec
from serving.analysis.results import experiment_results
from serving.analysis.variants import analyse_variants
from tests.lane_sessions import write_lanes
from tests.versioned_servers import spec_document

TRAFFIC = {"policy": "bandit", "share": 0.5, "forced": {"tester": "bold"}}
DOCUMENT = spec_document(traffic=TRAFFIC, analysis={"n_star": 400})


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, pd.DataFrame]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('lanes') / 'events.db'}"
    frame = write_lanes(url)
    engine = open_database(url)
    yield engine, frame
    engine.dispose()


def record(**changes: object) -> ExperimentRecord:
    document = {**DOCUMENT, **changes}
    return ExperimentRecord(document["name"], parse_spec(document).document(), state="running")


def estimate(part: pd.DataFrame) -> Estimate:
    by_unit = part.groupby("unit")["click"].agg(y="sum", n="size")
    return ratio_estimate(Moments.from_rows(by_unit.to_numpy(float)))


def test_the_lanes_are_those_of_the_sessions(log: tuple[Engine, pd.DataFrame]) -> None:
    engine, frame = log
    document = experiment_results(engine, record())
    assert (document["kind"], document["sessions"]) == ("bandit", len(frame) + 1), "the tester's is one too"
    lanes = document["lanes"]["lanes"]
    whole = {}
    for place, name in enumerate(("fixed", "bandit")):
        part = frame[frame["lane"] == place]
        found = whole[name] = estimate(part)
        assert lanes[name]["sessions"] == len(part)
        assert lanes[name]["units"] == part["unit"].nunique()
        assert lanes[name]["reward_per_session"] == pytest.approx(part["click"].mean())
        interval = confidence_sequence(found.value, math.sqrt(found.variance), found.n, n_star=400, alpha=0.05)
        assert (lanes[name]["ci_lower"], lanes[name]["ci_upper"]) == pytest.approx(interval)
        for variant, own in part.groupby("variant"):
            told = lanes[name]["variants"][variant]
            assert (told["sessions"], told["reward_per_session"]) == (len(own), pytest.approx(own["click"].mean()))
    assert lanes["fixed"]["variants"]["bold"]["status"] == "burn_in", "53 units are too few for an interval"
    assert lanes["fixed"]["variants"]["bold"]["ci_lower"] is None
    compared = sequential_comparison(whole["bandit"], whole["fixed"], n_star=400)
    told = document["lanes"]["difference"]
    assert told["effect_size"] == pytest.approx(compared.effect_size)
    assert (told["ci_lower"], told["ci_upper"]) == pytest.approx((compared.ci_lower, compared.ci_upper))


def test_the_analysis_is_what_decide_prints(log: tuple[Engine, pd.DataFrame]) -> None:
    engine, frame = log
    document = experiment_results(engine, record())
    assert document["analysis"] == analyse_variants(engine, parse_spec(DOCUMENT)).as_document()
    fixed = frame[frame["lane"] == 0]
    assert document["analysis"]["units"] == fixed.groupby("variant")["unit"].nunique().to_dict()
    assert document["no_analysis"] == ""


def test_why_there_is_no_analysis(log: tuple[Engine, pd.DataFrame]) -> None:
    engine, _ = log
    alone = experiment_results(engine, record(traffic={"policy": "bandit"}))
    assert alone["analysis"] is None
    assert "no split is left to compare" in alone["no_analysis"]
    nothing = experiment_results(engine, record(name="nobody", traffic={"policy": "fixed"}))
    assert (nothing["analysis"], nothing["sessions"]) == (None, 0)
    assert "no session of 'nobody'" in nothing["no_analysis"]
    assert nothing["lanes"]["difference"] is None
    assert nothing["lanes"]["lanes"]["fixed"]["reward_per_session"] is None
    assert nothing["lanes"]["lanes"]["fixed"]["status"] == "no_units"
