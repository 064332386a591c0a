"""``screentest analyze --time``, ``--earlier`` and ``--html``, on written files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.estimates import ratio_estimate
from experiments.over_time.session_metrics import session_moments, session_numbers
from tests.cli.analyze_examples import analyze, document

START = pd.Timestamp("2026-03-02")


def timed(n: int = 3_000, days: int = 21, seed: int = 0) -> pd.DataFrame:
    """A row per event; units come first in the first two weeks, then again for a week."""
    rng = np.random.default_rng(seed)
    new, first = rng.random(n) < 0.5, rng.integers(0, (days - 7) * 86_400, n)
    unit = np.repeat(np.arange(n), rng.integers(2, 7, n))
    frame = pd.DataFrame(
        {
            "user": unit,
            "arm": np.where(new, "new", "old")[unit],
            "bought": rng.random(len(unit)) < 0.2,
            "paid": rng.exponential(1.0, len(unit)) * (1 + 0.2 * new[unit]),
            "wait": rng.gamma(2.0, 50.0, len(unit)),
            "visit": [f"v{number}" for number in rng.integers(0, 3, len(unit))],
            "visits": rng.poisson(3, n)[unit],
            "then": rng.choice(["a", "b"], n)[unit],
            "second": first[unit] + rng.integers(0, 7 * 86_400, len(unit)),
        }
    )
    # Each unit's first row is when it came first.
    frame.loc[~frame.duplicated("user"), "second"] = first
    frame["at"] = START + pd.to_timedelta(frame["second"], unit="s")
    return frame


@pytest.fixture(scope="module", params=["csv", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(timed(), tmp_path_factory.mktemp("timed") / f"experiment.{request.param}")


def written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


def test_each_day_agrees_with_scipy_and_the_last_is_the_whole(file: Path) -> None:
    metrics = ["--metric", "paid", "--metric", "bought", "--metric", "paid:ratio", "--metric", "paid/visit:ratio"]
    found = document(file, *metrics, "--session", "visit", "--time", "at")
    seen, frame = found["over_time"], timed()
    assert (seen["every"], seen["status"], seen["rows_without_time"]) == ("day", "ok", 0)
    for compared in found["comparisons"]:
        rows = [row for row in seen["readings"] if row["metric"] == compared["metric"]]
        assert [row["period"] for row in rows] == [f"{START + pd.Timedelta(days=day):%Y-%m-%d}" for day in range(21)]
        for name in ("effect_size", "ci_lower", "ci_upper", "pvalue", "control_n", "status"):
            assert rows[-1][f"so_far_{name}"] == pytest.approx(compared[name]), (compared["metric"], name)
    row = next(row for row in seen["readings"] if (row["metric"], row["period"]) == ("paid", "2026-03-09"))
    day = frame[frame["at"].dt.date == pd.Timestamp("2026-03-09").date()]
    arms = [day[day["arm"] == arm].groupby("user")["paid"].sum() for arm in ("new", "old")]
    assert row["pvalue"] == pytest.approx(stats.ttest_ind(*arms, equal_var=False).pvalue)
    assert row["treatment_n"] == len(arms[0])
    shares = next(row for row in seen["readings"] if (row["metric"], row["period"]) == ("bought", "2026-03-09"))
    assert shares["treatment_value"] == pytest.approx(day[day["arm"] == "new"].groupby("user")["bought"].any().mean())


def test_periods_and_the_clock_are_options(file: Path) -> None:
    options = ["--metric", "paid", "--time", "at"]
    weeks, months = (document(file, *options, "--every", every)["over_time"] for every in ("week", "month"))
    assert [row["period"] for row in weeks["readings"]] == ["2026-03-02", "2026-03-09", "2026-03-16"]
    assert [row["period"] for row in months["readings"]] == ["2026-03"]
    seoul = document(file, *options, "--utc-offset", "540")["over_time"]["readings"]
    frame = timed()
    last = ((frame["second"] + 9 * 3600) // 86_400).max()
    assert seoul[-1]["period"] == f"{START + pd.Timedelta(days=int(last)):%Y-%m-%d}"
    # Seconds say the same as timestamps.
    by_second = document(file, "--metric", "paid", "--time", "second")["over_time"]["readings"]
    plain = document(file, *options)["over_time"]["readings"]
    assert [row["effect_size"] for row in by_second] == pytest.approx([row["effect_size"] for row in plain])


def test_a_sound_experiment_raises_no_alarm(file: Path) -> None:
    found = document(
        file, "--metric", "paid", "--metric", "bought", "--time", "at", "--earlier", "then", "--covariate", "visits"
    )
    seen = found["over_time"]
    for kind in ("novelty", "shifts"):
        assert [one["alarm"] for one in seen[kind]] == [False] * len(seen[kind]), kind
    assert {(one["of"], one["variant"]) for one in seen["shifts"]} == {
        ("effect", "new"), ("split", "new"), ("split", "old"),
    }  # fmt: skip
    assert [(one["metric"], one["alarm"]) for one in found["earlier"]] == [("paid", False), ("bought", False)]
    (before,) = found["before"]
    per_unit = timed().groupby("user").agg(arm=("arm", "first"), visits=("visits", "first"))
    arms = [per_unit[per_unit["arm"] == arm]["visits"] for arm in ("new", "old")]
    assert before["pvalue"] == pytest.approx(stats.ttest_ind(*arms, equal_var=False).pvalue)
    assert before["alarm"] is False
    for kind in ("novelty", "odd_days", "shifts"):
        assert all(one["sentence"] and re.search("[가-힣]", one["sentence_ko"]) for one in seen[kind])


def broken() -> pd.DataFrame:
    """From the twelfth day on a third of the new arm's units are lost, and the rest pay half."""
    frame = timed(n=9_000)
    first = frame.groupby("user")["second"].transform("min")
    late, new = frame["second"] >= 12 * 86_400, frame["arm"] == "new"
    frame.loc[late & new, "paid"] *= 0.5
    frame = frame[~((first >= 9 * 86_400) & new & (frame["user"] % 3 == 0))].copy()
    # Nothing came on one day; what units paid before already differed by arm.
    frame = frame[frame["at"].dt.day != 8]
    frame["visits"] += (frame["arm"] == "new") * 1
    frame.loc[(frame["then"] == "a") & (frame["arm"] == "new"), "paid"] *= 1.5
    return frame


def test_what_is_planted_is_found_dated_and_told(tmp_path: Path) -> None:
    path = written(broken(), tmp_path / "broken.parquet")
    options = ["--metric", "paid:ratio", "--time", "at", "--earlier", "then", "--covariate", "visits"]
    found = document(path, *options)
    seen = found["over_time"]
    (effect,) = (one for one in seen["shifts"] if one["of"] == "effect")
    assert (effect["side"], effect["alarm"]) == ("fall", True)
    assert "2026-03-13" <= effect["since"] <= "2026-03-14" <= effect["noticed"] <= "2026-03-16"
    (split,) = (one for one in seen["shifts"] if one["of"] == "split" and one["variant"] == "new")
    assert (split["side"], split["alarm"]) == ("fall", True)
    assert "2026-03-10" <= split["since"] <= "2026-03-13"
    traffic = [one for one in seen["odd_days"] if one["of"] == "traffic"]
    assert [day["day"] for one in traffic for day in one["days"] if day["reason"] == "missing_day"] == [
        "2026-03-08"
    ] * 2
    assert found["earlier"][0]["alarm"]
    assert found["before"][0]["alarm"]
    english, korean = (analyze(path, *options, "--lang", lang).output for lang in ("en", "ko"))
    for told in (
        "has been getting fewer of the new units than intended",
        "the difference from old lies lower than before (noticed on 2026-03-1",
        "what units had in the earlier experiment still shows",
        "differed from those of old before the experiment began",
        "2026-03-08 (0 instead of",
    ):
        assert told in english
    assert "새 대상이 의도보다 적게 배정됩니다" in korean
    assert "기간" in korean


def test_an_effect_that_wears_off_is_told(tmp_path: Path) -> None:
    frame = timed(n=9_000)
    age = (frame["second"] - frame.groupby("user")["second"].transform("min")) // 86_400
    frame["paid"] *= 1 + (frame["arm"] == "new") * 1.5 / (1 + age)
    path = written(frame, tmp_path / "novel.parquet")
    (found,) = document(path, "--metric", "paid:ratio", "--time", "at")["over_time"]["novelty"]
    assert (found["trend"], found["alarm"], found["scale"]) == ("fades", True, "relative")
    assert found["first_effect"] > 1 > found["last_effect"]
    assert "the effect wears off, from +1" in analyze(path, "--metric", "paid:ratio", "--time", "at").output


def test_so_far_is_by_the_sequential_method_where_that_is_the_method(file: Path) -> None:
    options = ["--metric", "paid", "--time", "at"]
    fixed = document(file, *options)["over_time"]["readings"][-1]
    found = document(file, *options, "--method", "sequential")
    last = found["over_time"]["readings"][-1]
    assert last["ci_lower"] == pytest.approx(fixed["ci_lower"])
    assert last["so_far_ci_lower"] == pytest.approx(found["comparisons"][0]["ci_lower"])
    assert last["so_far_ci_lower"] < fixed["so_far_ci_lower"]


def test_a_page_holds_the_pictures_and_fetches_nothing(file: Path, tmp_path: Path) -> None:
    for lang, told in (("en", "difference so far"), ("ko", "누적 차이")):
        page = tmp_path / f"{lang}.html"
        options = ["--metric", "paid", "--metric", "bought", "--metric", "wait:quantile", "--segment", "then"]
        result = analyze(file, *options, "--time", "at", "--html", str(page), "--lang", lang)
        assert result.exit_code == 0, result.output
        assert str(page) in result.output
        text = page.read_text()
        # One of all effects, two per metric that is read over time.
        assert text.count("<svg") == 5
        assert told in text
        assert not re.search(r"(src|href)=[\"']?http|<script", text)
    without = tmp_path / "plain.html"
    assert analyze(file, "--metric", "paid", "--html", str(without)).exit_code == 0
    assert without.read_text().count("<svg") == 1


def test_names_in_a_page_are_escaped(tmp_path: Path) -> None:
    frame = timed(n=200).rename(columns={"paid": "<b>paid"})
    path = written(frame.assign(arm=frame["arm"].replace("new", "<script>x")), tmp_path / "odd.csv")
    page = tmp_path / "odd.html"
    result = analyze(path, "--metric", "<b>paid", "--time", "at", "--html", str(page))
    assert result.exit_code == 0, result.output
    assert "<script>x" not in page.read_text()
    assert "<b>paid" not in page.read_text()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_cannot_be_read_over_time_has_a_status_and_a_sentence(tmp_path: Path, suffix: str) -> None:
    frame = timed(n=60)
    one_each = frame.drop_duplicates("user").assign(at=START)
    for name, given, status, novelty, sentence in (
        ("some", frame.assign(at=frame["at"].where(frame.index % 2 == 0)), "ok", "ok", "left out of the readings over"),
        ("none", frame.assign(at=frame["at"].where(frame.index < 0)), "no_times", None, "No row says when it was"),
        ("day", one_each, "ok", "too_few_days", "whether the effect wears off cannot be told"),
        ("flat", frame.assign(paid=0.0), "ok", "too_few_days", "it takes units that are seen on three days or more"),
    ):
        if name == "none" and suffix == "csv":
            # An empty column of a delimited file has no type; that is text.
            given = given.assign(at="")
        path = written(given, tmp_path / f"{name}.{suffix}")
        seen = document(path, "--metric", "paid", "--time", "at")["over_time"]
        assert seen["status"] == status, name
        assert (seen["rows_without_time"] > 0) is (name in ("some", "none"))
        if novelty is not None:
            assert {one["status"] for one in seen["novelty"]} == {novelty}, name
        assert sentence in analyze(path, "--metric", "paid", "--time", "at").output


def test_one_unit_an_arm_and_missing_numbers_are_no_figures(tmp_path: Path) -> None:
    rows = {"user": [1, 2, 2], "arm": ["old", "new", "new"], "paid": [1.0, 2.0, np.nan], "at": [START] * 3}
    path = written(pd.DataFrame(rows), tmp_path / "few.parquet")
    found = document(path, "--metric", "paid", "--time", "at")
    assert [row["status"] for row in found["over_time"]["readings"]] == ["too_few_units"]
    assert {one["status"] for one in found["over_time"]["shifts"]} == {"no_values"}
    assert {one["status"] for one in found["over_time"]["odd_days"]} == {"too_few_days"}


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (["--time", "then"], DataError, "column 'then' holds 'a', must hold times: seconds since 1970, dates or ISO"),
        (["--time", "when"], DataError, "has no column 'when'"),
        (["--time", "bought"], DataError, "column 'bought' holds boolean, must hold times"),
        (["--every", "week"], ConfigError, "--every and --utc-offset belong to --time"),
        (["--earlier", "last"], DataError, "has no column 'last'"),
        (["--html", "no-such-folder/page.html"], ConfigError, "does its folder exist?"),
    ],
)
def test_bad_input_is_one_line(file: Path, options: list[str], error: type[Exception], told: str) -> None:
    result = analyze(file, "--metric", "paid", *options)
    assert isinstance(result.exception, error), result.output
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)


def test_sessions_are_made_where_a_log_names_none(file: Path) -> None:
    metrics = ["--metric", "paid/session:ratio", "--metric", "session", "--time", "at", "--session-gap", "30"]
    per_session, per_unit = document(file, *metrics)["comparisons"]
    frame = timed()
    frame["session"] = session_numbers(frame["user"].to_numpy(), frame["second"].to_numpy(), idle_gap=1_800)
    own = frame[frame["arm"] == "new"]
    moments = session_moments(own["user"].to_numpy(), own["session"].to_numpy(), own["paid"].to_numpy())
    assert per_session["treatment_value"] == pytest.approx(ratio_estimate(moments).value)
    assert per_unit["treatment_value"] == pytest.approx(moments.mean[1])
    for options in (["--session-gap", "30"], ["--time", "at", "--session-gap", "0"]):
        refused = analyze(file, "--metric", "paid", *options)
        assert isinstance(refused.exception, ConfigError)
        assert "must be minutes above 0 and go with --time" in str(refused.exception)


def test_without_a_column_of_times_nothing_is_added_but_empty_keys(file: Path) -> None:
    found = document(file, "--metric", "paid")
    assert (found["over_time"], found["earlier"], found["before"]) == (None, [], [])
