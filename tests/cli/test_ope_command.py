"""``screentest ope``: a known value is recovered, what a log cannot say is not said, and what is refused."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, update
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import BadInput, DataError
from events.database import open_database, writing
from events.schema import EXPOSURES, OUTCOMES
from experiments.assignment import propensity
from experiments.off_policy import words
from experiments.spec import ExperimentSpec
from serving.controller import begin_rollout
from tests.rollout_examples import SPEC, promoted
from tests.written_rollouts import write_rollout

MEANS = {"a": 0.2, "b": 0.5, "c": 0.35}
COLUMNS = ["--action", "did", "--reward", "got", "--propensity", "chance"]


def log(n: int = 6_000, seed: int = 0) -> pd.DataFrame:
    """Decisions of a policy that prefers "a", and the chances that another one would have given each action."""
    rng = np.random.default_rng(seed)
    chances = np.array([0.6, 0.2, 0.2])
    action = rng.choice(3, size=n, p=chances)
    x = rng.normal(size=n)
    reward = rng.random(n) < np.array(list(MEANS.values()))[action]
    wanted = np.where(x[:, np.newaxis] > 0, [[0.0, 1.0, 0.0]], [[0.0, 0.5, 0.5]])
    return pd.DataFrame(
        {
            "did": np.array(list(MEANS))[action],
            "got": reward.astype(float),
            "chance": chances[action],
            "x": x,
            "who": rng.integers(2_000, size=n),
            **{f"p_{name}": wanted[:, place] for place, name in enumerate(MEANS)},
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "log.parquet"
    log().to_parquet(path)
    return path


def ope(file: Path, *options: str, columns: list[str] = COLUMNS) -> Result:
    return CliRunner().invoke(app, ["ope", str(file), *columns, *options])


def document(file: Path, *options: str, columns: list[str] = COLUMNS) -> dict[str, Any]:
    result = ope(file, *options, "--json", columns=columns)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_known_values_are_recovered_by_every_estimator(file: Path) -> None:
    policies = ["--policy", "always=b", "--policy", "mixed:columns=p_a,p_b,p_c"]
    found = document(file, *policies, "--estimator", "snips,ips,dm,dr,sndr", "--context", "x", "--unit", "who")
    truth = {"always=b": 0.5, "mixed": 0.75 * 0.5 + 0.25 * 0.35}
    assert [row["estimator"] for row in found["policies"][:5]] == ["snips", "ips", "dm", "dr", "sndr"]
    for row in found["policies"]:
        assert row["status"] == "ok"
        # Four standard errors on either side of what is known.
        reach = 2 * (row["ci_upper"] - row["ci_lower"])
        assert row["value"] == pytest.approx(truth[row["policy"]], abs=reach), row["estimator"]
        assert row["ci_lower"] < row["value"] < row["ci_upper"]
        assert row["uplift"] == pytest.approx(row["value"] - found["logging_value"], abs=0.02)
        assert row["uplift_ci_lower"] > 0
    assert (found["rows"], found["units"], found["baseline"]) == (6_000, log()["who"].nunique(), "logging")


def test_the_policy_that_made_the_log_gains_nothing_and_equal_policies_do_not_differ(file: Path) -> None:
    frame = log().assign(q_a=0.6, q_b=0.2, q_c=0.2)
    frame.to_parquet(file)
    (same,) = document(file, "--policy", "same:columns=q_a,q_b,q_c", "--estimator", "ips")["policies"]
    assert same["value"] == pytest.approx(frame["got"].mean())
    # Exactly nothing: there is no interval around it.
    assert (same["uplift"], same["uplift_ci_lower"]) == (pytest.approx(0, abs=1e-12), None)
    rows = document(file, "--policy", "one:always=b", "--baseline", "always=b", "--estimator", "snips")["policies"]
    assert rows[0]["uplift"] == pytest.approx(0, abs=1e-12)


def test_too_little_overlap_gives_a_sentence_and_no_interval(file: Path) -> None:
    log(60).to_parquet(file)
    (row, *_) = document(file, "--policy", "always=b")["policies"]
    assert (row["status"], row["ci_lower"]) == ("low_ess", None)
    assert row["explanation"]
    refused = ope(file, "--policy", "columns=a:p_a,b:p_b")
    assert "are no distribution" in str(refused.exception)


def test_rows_that_say_nothing_are_told(tmp_path: Path) -> None:
    frame = log().astype({"did": object})
    frame.loc[0, "did"] = None
    frame.loc[1, "chance"] = np.nan
    frame.loc[[2, 3], "got"] = [np.nan, np.inf]
    frame.to_csv(tmp_path / "log.csv", index=False)
    found = document(tmp_path / "log.csv", "--policy", "always=b")
    assert {one["reason"]: one["rows"] for one in found["excluded"]} == {
        "no_action": 1,
        "no_propensity": 1,
        "no_reward": 2,
    }
    assert found["rows"] + 4 == found["rows_read"] == 6_000


def test_people_are_told_in_both_languages(file: Path, tmp_path: Path) -> None:
    told = ope(file, "--policy", "always=b", "--out", str(tmp_path / "found.json"))
    assert told.exit_code == 0, told.output
    for word in ("always=b", "snips", "effective", "as JSON"):
        assert word in told.output
    korean = ope(file, "--policy", "always=b", "--lang", "ko").output
    assert any("가" <= letter <= "힣" for letter in korean)
    assert json.loads((tmp_path / "found.json").read_text())["policies"]


def test_both_languages_have_the_same_sentences() -> None:
    tables = [table for name, table in vars(words).items() if name.isupper() and isinstance(table, dict)]
    assert tables
    for table in tables:
        assert table["en"].keys() == table["ko"].keys()
        for key, sentence in table["en"].items():
            fields = [
                {name for _, name, _, _ in string.Formatter().parse(text) if name}
                for text in (sentence, table["ko"][key])
            ]
            assert fields[0] == fields[1], key


def test_a_rollout_of_ours_is_a_log_too(tmp_path: Path) -> None:
    spec = ExperimentSpec(
        name="logged", variants={"champion": "models:/recommender/1", "challenger": "models:/recommender/2"}
    )
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    begin_rollout(engine, spec)
    rng, rate = np.random.default_rng(1), {"challenger": 0.4, "control": 0.2, "champion": 0.2}
    exposures, clicks = [], []
    for number in range(3_000):
        variant = str(rng.choice(["challenger", "control", "champion"], p=[0.25, 0.25, 0.5]))
        exposures.append(
            {
                "decision_id": f"d{number}", "experiment": "logged", "unit_id": f"u{number}", "user_id": "1",
                "session_id": None, "step": 1, "variant": variant, "propensity": 0.5 if variant == "champion" else 0.25,
                "items": [1], "n_items": 1, "context": {}, "channel": None, "device": None, "latency_ms": 1.0,
                "error": False, "ts": 1e9 + number,
            }
        )  # fmt: skip
        if rng.random() < rate[variant]:
            clicks.append(
                {
                    "decision_id": f"d{number}", "item_id": "1", "kind": "click", "reward": 1.0, "user_id": "1",
                    "arm": variant, "ts": 1e9 + number, "meta": {},
                }
            )  # fmt: skip
    with writing(engine) as connection:
        connection.execute(insert(EXPOSURES), exposures)
        connection.execute(insert(OUTCOMES), clicks)
    engine.dispose()
    (row, *_) = document(tmp_path, "--policy", "always=challenger", columns=[])["policies"]
    assert row["ci_lower"] < 0.4 < row["ci_upper"]
    assert row["uplift_ci_lower"] > 0.05


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--policy", "always=z"], "unknown action 'z'; the log has a, b, c"),
        (["--policy", "often"], "policy == 'often', must be"),
        (["--policy", "columns=p_a,p_b,p_d"], "has no column 'p_d'"),
        (["--policy", "columns=p_a,p_b"], "p_a"),
        (["--policy", "always=b", "--estimator", "magic"], "unknown"),
        (["--policy", "always=b", "--policy", "always=b"], "each once"),
        (["--policy", "always=b", "--alpha", "2"], "alpha == 2.0"),
    ],
)
def test_bad_input_is_one_line(file: Path, options: list[str], told: str) -> None:
    result = ope(file, *options)
    assert isinstance(result.exception, BadInput), result.output
    assert told in str(result.exception)


def test_bad_logs_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for change, told in (
        ({"chance": 1.5}, "propensit"),
        ({"got": "much"}, "must hold numbers"),
    ):
        log(50).assign(**change).to_csv(path, index=False)
        result = ope(path, "--policy", "always=b")
        assert isinstance(result.exception, DataError), result.output
        assert told in str(result.exception)
    log(50).to_csv(path, index=False)
    result = CliRunner().invoke(app, ["ope", str(path), "--policy", "always=b"])
    assert "must name a column" in str(result.exception)


def test_without_overlap_no_estimator_has_a_figure(file: Path, tmp_path: Path) -> None:
    frame = log()
    # Whoever has x above 1 was sure to get "a".
    frame.loc[frame["x"] > 1, ["did", "chance"]] = ["a", 1.0]
    frame.to_parquet(file)
    kept = tmp_path / "told.json"
    found = document(file, "--policy", "always=b", "--estimator", "all", "--context", "x", "--forecast", str(kept))
    assert len(found["policies"]) == len(found["estimators"]) == 6
    for row in found["policies"]:
        assert row["status"] == ("not_uniform" if row["estimator"] == "replay" else "no_overlap")
        assert [row[name] for name in ("value", "ci_lower", "uplift", "uplift_ci_upper", "rel_uplift")] == [None] * 5
    told = ope(file, "--policy", "always=b").output
    assert told.startswith("always=b: no figure can be given. There is no overlap")
    assert json.loads(kept.read_text())["effect_size"] is None
    # A baseline that the log says nothing of takes the uplift away, not the value.
    (row,) = document(file, "--policy", "always=a", "--baseline", "always=b", "--estimator", "dm")["policies"]
    assert (row["status"], row["uplift_status"], row["uplift"], row["baseline_value"]) == (
        "ok",
        "no_overlap",
        None,
        None,
    )
    assert row["value"] == pytest.approx(0.2, abs=0.05)


def test_wrong_propensities_are_found_out(file: Path) -> None:
    log().assign(chance=0.5).to_parquet(file)
    found = document(file, "--policy", "always=b")
    rows = {row["estimator"]: row for row in found["policies"]}
    assert (rows["snips"]["status"], rows["snips"]["value"]) == ("wrong_weights", None)
    warned = {one["warning"]: one for one in found["warnings"]}
    assert warned["wrong_weights"]["mean_weight"] == pytest.approx(0.4, abs=0.05)
    assert warned["model_alone"]["estimator"] == "dm"


def test_clipping_one_heavy_row_several_policies_and_a_lacking_context_are_warned_of(file: Path) -> None:
    frame = log()
    frame.loc[0, ["did", "chance"]] = ["b", 0.0005]
    frame.to_parquet(file)
    found = document(file, "--policy", "always=b", "--policy", "uniform", "--clip", "4", "--min-ess", "0")
    warned = {(one["warning"], one.get("policy")): one for one in found["warnings"]}
    assert {("clipped", "always=b"), ("one_row", "always=b"), ("several", None), ("no_context", None)} <= set(warned)
    # Propensities of "b" are .2, a weight of 5.
    assert warned["clipped", "always=b"]["rows"] == (frame["did"] == "b").sum()
    assert "disagree" in {one["warning"] for one in found["warnings"]}


def test_a_baseline_by_name_and_columns_by_action(file: Path) -> None:
    options = ["--policy", "new:columns=c:p_c,a:p_a,b:p_b", "--policy", "always=c", "--estimator", "snips"]
    new, always = document(file, *options, "--baseline", "always=c")["policies"]
    assert new["value"] == document(file, "--policy", "columns=p_a,p_b,p_c")["policies"][0]["value"]
    assert new["uplift"] == pytest.approx(new["value"] - always["value"])
    assert (always["uplift"], always["uplift_status"]) == (0.0, "no_variance")
    assert "No row of the log tells it apart from always=c" in ope(file, *options, "--baseline", "always=c").output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A rollout that was promoted, as its event log holds it, with the propensities of its steps."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    write_rollout(engine, promoted(), SPEC)
    with writing(engine) as connection:
        for place, percent in enumerate((5, 25, 50, 100)):
            for variant in ("challenger", "control", "champion"):
                rows = (EXPOSURES.c.step == place) & (EXPOSURES.c.variant == variant)
                connection.execute(update(EXPOSURES).where(rows).values(propensity=propensity(variant, percent)))
    engine.dispose()
    return tmp_path


def test_the_propensity_of_a_rollout_is_by_step(run: Path) -> None:
    found = document(run, "--policy", "always=challenger", columns=[])
    steps = promoted().steps[:3]
    weights = np.array([step.challenger_sessions / (step.percent / 100) for step in steps])
    expected = weights @ [step.challenger_mean for step in steps] / weights.sum()
    row = found["policies"][0]
    assert row["value"] == pytest.approx(expected, abs=1e-3)
    # Weights of 20, 4 and 2: far from the rows' plain mean.
    assert row["max_weight"] == 20
    analysed = [step.challenger_sessions + step.control_sessions for step in steps]
    assert found["rows"] == sum(max(step.sessions, n) for step, n in zip(steps, analysed, strict=True))
    assert row["ess"] < 0.5 * sum(step.challenger_sessions for step in steps)
    # The watch at 100 % drew nothing.
    assert found["excluded"] == [
        {"reason": "no_draw", "rows": 1_000, "explanation": found["excluded"][0]["explanation"]}
    ]
    before = (run / "events.db").read_bytes()
    (champion,) = document(run / "events.db", "--policy", "always=champion", "--estimator", "dm", columns=[])[
        "policies"
    ]
    # At 50 % nobody could get the champion.
    assert champion["status"] == "no_overlap"
    assert (run / "events.db").read_bytes() == before


def test_a_rollout_with_wrong_propensities_is_found_out_and_columns_are_refused(run: Path) -> None:
    engine = open_database(f"sqlite:///{run / 'events.db'}")
    with writing(engine) as connection:
        connection.execute(update(EXPOSURES).where(EXPOSURES.c.variant != "champion").values(propensity=0.5))
    engine.dispose()
    assert document(run, "--policy", "always=challenger", columns=[])["policies"][0]["status"] == "wrong_weights"
    for options, told in (
        (["--action", "did"], "is a rollout, whose columns are known; leave out --action"),
        (["--policy", "columns=p"], "leave out policies in columns"),
        (["--policy", "always=b"], "unknown action 'b'; the log has challenger, champion, control"),
    ):
        refused = ope(run, "--policy", "always=control", *options, columns=[])
        assert isinstance(refused.exception, BadInput)
        assert told in str(refused.exception)


def test_a_log_without_a_rollout_or_a_row_is_one_line(file: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty" / "events.db"
    empty.parent.mkdir()
    open_database(f"sqlite:///{empty}").dispose()
    assert "holds no rollout" in str(ope(empty.parent, "--policy", "uniform", columns=[]).exception)
    log().assign(got=np.nan).to_parquet(file)
    assert "holds no row that can be counted (6000 no_reward)" in str(ope(file, "--policy", "always=b").exception)
