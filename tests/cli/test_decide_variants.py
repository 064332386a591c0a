"""``screentest decide`` of an A/B/n test: from its spec and a real event log, against the same done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError, DataError, RolloutError
from events.records import Exposure, Outcome
from events.store import EventStore
from experiments.allocation import allocate_many
from experiments.spec import parse_spec

DOCUMENT: dict[str, Any] = {
    "name": "three-lists",
    "variants": {name: f"models:/recommender/{n}" for n, name in enumerate(("plain", "fresh", "bold"), start=1)},
    "control": "plain",
    "traffic": {"policy": "fixed", "weights": {"plain": 2, "fresh": 1, "bold": 1}, "forced": {"tester": "bold"}},
    "metrics": {
        "primary": "session_click",
        "secondary": [
            {"name": "revenue", "event": "purchase", "value": "sum", "kind": "mean"},
            {"name": "liked", "event": "like", "value": "any", "kind": "proportion"},
        ],
        "guardrails": {"metrics": [{"name": "views", "event": "view", "value": "count", "kind": "quantile"}]},
    },
    "analysis": {"method": "fixed", "alpha": 0.05, "correction": "none", "covariate": "visits", "segments": ["device"]},
}
CLICKS = {"plain": 0.2, "fresh": 0.2, "bold": 0.32}
UNITS = 900


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A log of three arms in two parts, and the same sessions as rows."""
    folder, rng = tmp_path_factory.mktemp("three"), np.random.default_rng(11)
    names = [f"u{unit}" for unit in range(UNITS)]
    dealt = allocate_many(parse_spec(DOCUMENT).allocation, names)
    visits = rng.poisson(5, UNITS)
    rows: list[dict[str, Any]] = []
    for unit, name in enumerate(names):
        variant = dealt.variants[dealt.variant_index[unit]]
        for _ in range(int(rng.integers(1, 5))):
            chance = CLICKS[variant] + 0.02 * (visits[unit] - 5)
            rows.append(
                {
                    "unit": name,
                    "variant": variant,
                    "visits": int(visits[unit]),
                    "device": str(rng.choice(["phone", "tablet"])) if unit % 10 else None,
                    "click": int(rng.random() < chance),
                    "purchase": float(rng.gamma(2, 5)) if rng.random() < 0.1 else 0.0,
                    "like": int(rng.random() < 0.15),
                    "view": int(rng.integers(0, 4)),
                }
            )
    rng.shuffle(rows)
    rows.append({**rows[0], "unit": "tester", "variant": "bold", "click": 1})
    frame = pd.DataFrame(rows).reset_index(names="number")
    half = len(frame) // 2
    for part in (frame[:half], frame[half:]):
        _write(folder, part)
    return folder / "events.db", frame[frame["unit"] != "tester"]


def _write(folder: Path, rows: pd.DataFrame) -> None:
    store = EventStore(f"sqlite:///{folder / 'events.db'}")
    waiting: list[Any] = []
    for row in rows.itertuples():
        at = 1e9 + row.number
        shown = Exposure(
            f"d{row.number}", "three-lists", row.unit, row.unit, 0, row.variant, 0.25, ["a", "b", "c"], at,
            context={"visits": row.visits}, device=row.device,
        )  # fmt: skip
        waiting.append(store.record_exposure(shown))
        acted = [("click", "a", 1.0)] * row.click + [("purchase", "b", row.purchase)] * (row.purchase > 0)
        acted += [("like", "a", 1.0)] * row.like + [("view", item, 1.0) for item in "abc"[: row.view]]
        for kind, item, reward in acted:
            outcome = Outcome(row.unit, row.variant, item, reward, at, kind, shown.decision_id)
            waiting.append(store.record_outcome(outcome))
    for future in waiting:
        future.result(timeout=60)
    store.close()


def decide(tmp_path: Path, log: Path, *options: str, **changes: Any) -> Result:
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump({**DOCUMENT, **changes}))
    return CliRunner().invoke(app, ["decide", str(spec), str(log), *options])


def found(tmp_path: Path, log: Path, *options: str, **changes: Any) -> dict[str, Any]:
    told = decide(tmp_path, log, "--json", *options, **changes)
    assert told.exit_code == 0, told.output
    document: dict[str, Any] = json.loads(told.output)
    return document


def analysis(**changes: Any) -> dict[str, Any]:
    return {**DOCUMENT["analysis"], **changes}


def comparison(document: dict[str, Any], metric: str, variant: str) -> dict[str, Any]:
    return next(one for one in document["comparisons"] if (one["metric"], one["variant"]) == (metric, variant))


def test_the_figures_are_those_of_the_sessions(log: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, frame = log
    document = found(tmp_path, path, analysis=analysis(covariate=""))
    assert (document["experiment"], document["sessions"]) == ("three-lists", len(frame))
    assert document["units"] == frame.groupby("variant")["unit"].nunique().to_dict()
    unit = frame.groupby(["variant", "unit"])[["click", "purchase", "like"]].agg("sum")
    for variant in ("fresh", "bold"):
        money = stats.ttest_ind(unit.loc[variant, "purchase"], unit.loc["plain", "purchase"], equal_var=False)
        revenue = comparison(document, "revenue", variant)
        assert revenue["pvalue"] == pytest.approx(money.pvalue, rel=1e-9)
        assert revenue["effect_size"] == pytest.approx(
            unit.loc[variant, "purchase"].mean() - unit.loc["plain", "purchase"].mean()
        )
        likes = comparison(document, "liked", variant)
        shares = (unit["like"] > 0).groupby("variant").mean()
        assert likes["effect_size"] == pytest.approx(shares[variant] - shares["plain"])
        rates = frame.groupby("variant")["click"].mean()
        assert comparison(document, "session_click", variant)["effect_size"] == pytest.approx(
            rates[variant] - rates["plain"]
        )
        medians = frame.groupby("variant")["view"].median()
        assert comparison(document, "views p50", variant)["effect_size"] == medians[variant] - medians["plain"]
    assert document["verdict"]["decision"] == "promote"
    assert document["verdict"]["variant"] == "bold"


def test_the_covariate_and_the_segments_are_used(log: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, _ = log
    plain = found(tmp_path, path, analysis=analysis(covariate=""))
    document = found(tmp_path, path)
    one, other = (comparison(one, "session_click", "bold") for one in (plain, document))
    assert other["ci_upper"] - other["ci_lower"] < one["ci_upper"] - one["ci_lower"]
    text = json.dumps(document["segments"])
    assert "device=phone" in text
    assert "device=tablet" in text
    assert any(one["reason"] == "no_segment" for one in document["excluded"]), "some name no device"


def test_a_decision_of_the_past_comes_out_again(log: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, _ = log
    now = found(tmp_path, path)
    assert found(tmp_path, path, "--as-of", str(now["log_commits"])) == now
    # Half of the log came with the first writer; the numbers of its commits are those below some number.
    earlier = found(tmp_path, path, "--as-of", str(now["log_commits"] // 2))
    assert 0 < earlier["sessions"] < now["sessions"]
    assert found(tmp_path, path, "--as-of", str(now["log_commits"] // 2)) == earlier


def test_a_sequential_test_goes_on_until_its_sessions_are_used_up(
    log: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    path, frame = log
    variants = {name: uri for name, uri in DOCUMENT["variants"].items() if name != "bold"}
    parts = {
        "variants": variants,
        "traffic": {"policy": "fixed"},
        "analysis": analysis(method="sequential", n_star=600, covariate=""),
        "metrics": {},
    }
    # Sessions of a variant that is no longer in the spec must not be passed over in silence.
    told = decide(tmp_path, path, **parts)
    assert isinstance(told.exception, DataError)
    assert "units of variant 'bold' were found" in str(told.exception)
    parts |= {"variants": DOCUMENT["variants"], "traffic": DOCUMENT["traffic"]}
    assert found(tmp_path, path, **parts)["verdict"]["decision"] in ("continue", "promote")
    last = {**parts, "analysis": {**parts["analysis"], "alpha": 1e-9}}
    assert found(tmp_path, path, **last)["verdict"]["decision"] == "continue"
    assert found(tmp_path, path, **last, stopping={"max_sessions": len(frame)})["verdict"]["decision"] == "keep"


def test_it_is_told_in_words(log: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    told = decide(tmp_path, log[0])
    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"three-lists: {len(log[1]):,} sessions; commits of the log: ")
    assert "bold" in told.output
    assert "revenue" in told.output
    korean = decide(tmp_path, log[0], "--lang", "ko")
    assert "변형안" in korean.output


def test_what_cannot_be_decided_is_one_line(log: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    told = decide(tmp_path, log[0], "--replay")
    assert isinstance(told.exception, ConfigError)
    assert "--as-of COMMITS" in str(told.exception)
    told = decide(tmp_path, log[0], traffic={"policy": "bandit"})
    assert isinstance(told.exception, ConfigError)
    assert "screentest ope" in str(told.exception)
    told = decide(tmp_path, log[0], name="another")
    assert isinstance(told.exception, RolloutError)
    assert "no session of 'another'" in str(told.exception)
    told = decide(tmp_path, log[0], analysis={"method": "group", "looks": 2}, metrics={})
    assert told.exit_code == 0
    told = decide(tmp_path, log[0], "--look", "3", analysis={"method": "group", "looks": 2})
    assert isinstance(told.exception, ConfigError)
    assert "look == 3" in str(told.exception)
