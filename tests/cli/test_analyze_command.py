"""``screentest analyze`` on written experiments: what is told, what JSON holds, what is left out, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, DataError
from tests.cli.analyze_examples import analyze, document, experiment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.csv"
    experiment().to_csv(path, index=False)
    return path


def test_json_holds_what_was_promised_and_agrees_with_scipy(file: Path) -> None:
    found = document(file, "--metric", "paid", "--metric", "click:ratio")
    assert set(found) >= {"comparisons", "srm", "units", "excluded", "verdict"}
    paid, click = found["comparisons"]
    assert set(paid) >= {
        "metric", "variant", "control", "effect_size", "rel_effect_size", "ci_lower", "ci_upper", "pvalue",
        "pvalue_adjusted", "status",
    }  # fmt: skip
    per_unit = experiment().groupby("user").agg(arm=("arm", "first"), paid=("paid", "sum"))
    new, old = (per_unit[per_unit["arm"] == arm]["paid"] for arm in ("new", "old"))
    assert paid["effect_size"] == pytest.approx(new.mean() - old.mean())
    assert paid["pvalue"] == pytest.approx(stats.ttest_ind(new, old, equal_var=False).pvalue)
    assert found["units"] == {"new": len(new), "old": len(old)}
    assert found["srm"]["pvalue"] == pytest.approx(stats.chisquare([len(new), len(old)]).pvalue)
    assert found["srm"]["alarm"] is False
    assert click["pvalue"] < 1e-6
    # Two tests: Holm doubles the smaller p-value.
    assert click["pvalue_adjusted"] == pytest.approx(2 * click["pvalue"])
    assert found["verdict"]["decision"] == "keep"
    assert found["excluded"] == []


def test_rows_of_units_and_of_events_parquet_and_csv_give_the_same(tmp_path: Path, file: Path) -> None:
    expected = document(file, "--metric", "paid")
    experiment().to_parquet(tmp_path / "experiment.parquet")
    units = experiment().groupby("user").agg(arm=("arm", "first"), paid=("paid", "sum")).reset_index()
    units.to_csv(tmp_path / "units.csv", index=False)
    parts = tmp_path / "parts"
    parts.mkdir()
    experiment().iloc[:5_000].to_parquet(parts / "one.parquet")
    experiment().iloc[5_000:].to_parquet(parts / "two.parquet")
    for other in ("experiment.parquet", "units.csv", "parts"):
        found = document(tmp_path / other, "--metric", "paid")
        assert found["comparisons"][0] == pytest.approx(expected["comparisons"][0]), other


def test_the_first_metric_decides_and_guardrails_may_forbid(file: Path) -> None:
    assert document(file, "--metric", "click:ratio")["verdict"]["decision"] == "promote"
    lower = document(file, "--metric", "click:ratio", "--lower-is-better", "click:ratio")
    assert (lower["verdict"]["decision"], lower["verdict"]["reason"]) == ("rollback", "primary_worse")
    guarded = ["--metric", "paid", "--metric", "click", "--guardrail", "click", "--lower-is-better", "click"]
    assert document(file, *guarded)["verdict"]["reason"] == "guardrail_worse"


def test_a_covariate_narrows_the_interval_and_keeps_the_effect(file: Path) -> None:
    # The sum over one to five rows varies mostly with their number: the ratio per row is what the covariate foretells.
    (plain,) = document(file, "--metric", "paid:ratio")["comparisons"]
    (found,) = document(file, "--metric", "paid:ratio", "--covariate", "before")["comparisons"]
    assert found["variance_reduction"] > 0.4
    assert found["se"] == pytest.approx(plain["se"] * np.sqrt(1 - found["variance_reduction"]), rel=0.01)
    assert abs(found["effect_size"]) < 4 * found["se"]
    constant = document(file, "--metric", "paid", "--metric", "wait:quantile", "--covariate", "before")
    assert [note["note"] for note in constant["notes"]] == ["quantile"]


def test_quantiles_are_clustered_by_unit(file: Path) -> None:
    (found,) = document(file, "--metric", "wait:quantile:.9")["comparisons"]
    values = experiment()
    expected = [values[values["arm"] == arm]["wait"].quantile(0.9) for arm in ("new", "old")]
    assert [found["treatment_value"], found["control_value"]] == pytest.approx(expected)
    assert (found["metric"], found["status"]) == ("wait p90", "ok")
    assert 0 < found["se"] < 10


@pytest.mark.parametrize("method", ["sequential", "group", "bayesian"])
def test_other_methods(file: Path, method: str) -> None:
    options = ["--metric", "click:ratio", "--method", method, *(["--look", "2/4"] if method == "group" else [])]
    (fixed,), (found,) = (document(file, *choice)["comparisons"] for choice in (options[:2], options))
    assert found["effect_size"] == fixed["effect_size"]
    if method == "bayesian":
        assert found["chance_to_win"] > 0.999
        assert found["credible_lower"] > 0
    else:
        assert found["ci_upper"] - found["ci_lower"] > fixed["ci_upper"] - fixed["ci_lower"]


def test_segments_are_corrected_and_tested_for_a_difference(file: Path) -> None:
    found = document(file, "--metric", "click:ratio", "--metric", "wait:quantile", "--segment", "country")["segments"]
    assert [(row["metric"], row["segment"]) for row in found] == [
        (metric, country) for metric in ("click", "wait p50") for country in ("de", "kr")
    ]
    assert all(row["pvalue"] <= row["pvalue_adjusted"] for row in found)
    # The lift is the same everywhere.
    assert found[0]["heterogeneity_pvalue"] > 0.01


def test_what_is_left_out_is_told_and_no_number_is_made_of_it(tmp_path: Path) -> None:
    frame = experiment()
    frame["user"] = frame["user"].astype("Int64")
    first = frame.index[frame["user"] == frame["user"].iloc[0]]
    frame.loc[first[0], "arm"] = "old" if frame.loc[first[0], "arm"] == "new" else "new"
    frame = pd.concat([frame, frame.iloc[first[:1]]])
    frame.iloc[500, frame.columns.get_loc("paid")] = np.nan
    frame.iloc[700, frame.columns.get_loc("user")] = None
    frame.to_csv(tmp_path / "odd.csv", index=False)
    found = document(tmp_path / "odd.csv", "--metric", "paid", "--metric", "click")
    reasons = {one["reason"]: one for one in found["excluded"]}
    assert reasons["two_variants"]["units"] == 1 or len(first) == 1
    assert (reasons["missing_number"]["units"], reasons["missing_number"]["metric"]) == (1, "paid")
    assert reasons["no_unit"]["units"] == 1
    paid, click = found["comparisons"]
    assert paid["control_n"] + paid["treatment_n"] + 1 == click["control_n"] + click["treatment_n"]
    told = analyze(tmp_path / "odd.csv", "--metric", "paid").output
    assert "with a row that has no finite number in paid, left out of paid: 1." in told
    assert "Rows that name no unit, left out: 1." in told


def test_a_broken_split_decides_nothing_else(tmp_path: Path) -> None:
    frame = experiment()
    frame = frame[(frame["arm"] == "old") | (frame["user"] % 5 > 0)]
    frame.to_csv(tmp_path / "lost.csv", index=False)
    found = document(tmp_path / "lost.csv", "--metric", "click:ratio")
    assert (found["srm"]["alarm"], found["verdict"]["decision"], found["verdict"]["reason"]) == (True, "invalid", "srm")
    intended = document(tmp_path / "lost.csv", "--metric", "click:ratio", "--weights", "old=50,new=40")
    assert intended["srm"]["alarm"] is False


def test_degenerate_data_have_a_status_and_a_sentence(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2, 3, 4], "arm": ["old", "old", "new", "new"], "paid": [0.0, 0, 0, 0]})
    frame.to_csv(tmp_path / "flat.csv", index=False)
    found = document(tmp_path / "flat.csv", "--metric", "paid")
    (comparison,) = found["comparisons"]
    assert (comparison["status"], comparison["pvalue"]) == ("no_variance", None)
    assert comparison["explanation"]
    assert found["verdict"]["decision"] == "invalid"


def test_people_are_told_in_both_languages(tmp_path: Path, file: Path) -> None:
    told = analyze(file, "--metric", "click:ratio", "--segment", "country", "--out", str(tmp_path / "found.json"))
    assert told.exit_code == 0, told.output
    assert told.output.startswith("Promote new: click is better than with old")
    for word in ("by segment", "Chance that new is better", "95 % interval", "as JSON"):
        assert word in told.output
    assert json.loads((tmp_path / "found.json").read_text())["verdict"]["decision"] == "promote"
    korean = analyze(file, "--metric", "click:ratio", "--lang", "ko").output
    assert korean.startswith("변형안(new) 승격")


def test_booleans_are_shares_and_ids_stay_text(tmp_path: Path) -> None:
    frame = experiment()
    frame["arm"] = np.where(frame["arm"] == "old", "01", "02")
    frame.to_csv(tmp_path / "ids.csv", index=False)
    command = ["analyze", str(tmp_path / "ids.csv"), "--unit", "user", "--variant", "arm", "--control", "01"]
    result = CliRunner().invoke(app, [*command, "--metric", "bought", "--json"])
    (found,) = json.loads(result.output)["comparisons"]
    assert (found["kind"], found["variant"]) == ("proportion", "02")
    assert 0.1 < found["control_value"] < 0.5


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (["--metric", "price"], DataError, "has no column 'price'; it has user, arm"),
        (["--metric", "country"], DataError, "column 'country' holds 'kr', must hold numbers"),
        (["--metric", "paid:median"], ConfigError, "of kind 'median'"),
        (
            ["--metric", "paid", "--guardrail", "wait"],
            ConfigError,
            "guardrail names 'wait', must be one of",
        ),
        (["--metric", "paid", "--metric", "paid"], ConfigError, "each must be named once"),
        (["--metric", "paid", "--method", "group", "--look", "5"], ConfigError, "look == '5', must be LOOK/LOOKS"),
        (["--metric", "paid", "--look", "2/5"], ConfigError, "--look belongs to --method group, not to fixed"),
        (["--metric", "paid", "--n-star", "900"], ConfigError, "--n-star belongs to --method sequential"),
        (["--metric", "paid", "--loss", ".01"], ConfigError, "--loss belongs to --method bayesian"),
        (["--metric", "paid", "--method", "bayesian", "--loss", "0"], ConfigError, "loss_threshold == 0.0, must be"),
        (["--metric", "paid", "--weights", "old=1,new=1,old=2"], ConfigError, "names 'old' twice"),
        (["--metric", "paid", "--out", "no-such-folder/found.json"], ConfigError, "does its folder exist?"),
        (["--metric", "paid", "--weights", "old:1"], ConfigError, "weights == 'old:1', must be VARIANT=NUMBER"),
        (["--metric", "paid", "--weights", "old=1"], DataError, "units of variant 'new' were found"),
        (
            ["--metric", "paid", "--control", "odd"],
            DataError,
            "no unit has the control 'odd'; variants found: new",
        ),
        (["--metric", "paid", "--alpha", "2"], ConfigError, "alpha == 2.0, must be above 0 and below 1"),
    ],
)
def test_bad_input_is_one_line(file: Path, options: list[str], error: type[Exception], told: str) -> None:
    result = analyze(file, *options)
    assert isinstance(result.exception, error)
    assert told in str(result.exception)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for name, text, told in (
        ("gone.csv", None, "there is no such file"),
        ("notes.txt", "user,arm\n", "is of a kind that is not known"),
        ("torn.parquet", "PAR1 and no more", "cannot be read"),
        ("nothing.csv", "", "is empty"),
        ("heading.csv", "user,arm,paid\n", "column 'paid' has no rows"),
        ("na.csv", "user,arm,paid\n1,old,2.5\n2,new,NA\n", "column 'paid' holds 'NA', must hold numbers"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        result = analyze(tmp_path / name, "--metric", "paid")
        assert isinstance(result.exception, DataError), name
        assert told in str(result.exception)
    (tmp_path / "empty").mkdir()
    assert "holds no .parquet file" in str(analyze(tmp_path / "empty", "--metric", "paid").exception)


def test_ids_that_look_like_numbers_are_told_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{i % 10}e{i},{'new' if rng.random() < 0.5 else 'old'},{rng.random():.3f}" for i in range(500)]
    (tmp_path / "ids.csv").write_text("user,arm,paid\n" + "\n".join(lines))
    found = document(tmp_path / "ids.csv", "--metric", "paid")
    # As numbers 0e0, 0e10, 0e20 … are one, and so is all that is too large.
    assert (sum(found["units"].values()), found["excluded"]) == (500, [])


@pytest.mark.parametrize(
    ("values", "control", "treatment"),
    [([0, 1], "0", "1"), ([False, True], "false", "true"), ([0.0, 1.0], "0.0", "1.0"), (["", "b"], None, None)],
)
def test_variants_of_any_type(tmp_path: Path, values: list[Any], control: str | None, treatment: str | None) -> None:
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 2, 400)
    frame = pd.DataFrame({"user": range(400), "arm": np.array(values)[arm], "paid": rng.random(400)})
    frame.to_parquet(tmp_path / "typed.parquet")
    command = ["analyze", str(tmp_path / "typed.parquet"), "--unit", "user", "--variant", "arm"]
    command += ["--control", control or "b", "--metric", "paid", "--metric", "paid:quantile", "--json"]
    result = CliRunner().invoke(app, command)
    if control is None:
        # An empty name is no variant.
        assert "every unit has the control 'b'" in str(result.exception)
        return
    found = json.loads(result.output)
    assert found["units"] == {control: int((arm == 0).sum()), treatment: int((arm == 1).sum())}
    medians = frame.groupby("arm")["paid"].median()
    assert found["comparisons"][1]["effect_size"] == pytest.approx(medians[values[1]] - medians[values[0]])


def test_segments_are_read_by_the_method_the_correction_and_the_covariate(file: Path) -> None:
    base = ["--metric", "paid:ratio", "--segment", "country"]
    fixed = document(file, *base)["segments"]
    often = document(file, *base, "--method", "sequential")["segments"]
    plain, doubled = (document(file, *base, "--correction", name)["segments"] for name in ("none", "bonferroni"))
    reduced = document(file, *base, "--covariate", "before")["segments"]
    for one, two, three, four, five in zip(fixed, often, plain, reduced, doubled, strict=True):
        width = one["ci_upper"] - one["ci_lower"]
        assert two["ci_upper"] - two["ci_lower"] > 1.3 * width
        assert three["pvalue_adjusted"] == three["pvalue"] == pytest.approx(one["pvalue"])
        assert five["pvalue_adjusted"] == pytest.approx(min(1.0, 2 * one["pvalue"]))
        assert four["ci_upper"] - four["ci_lower"] < 0.85 * width


def test_units_without_segment_and_covariates_that_change_are_told(tmp_path: Path) -> None:
    frame = experiment()
    frame["country"] = frame["country"].where(frame["user"] % 4 > 0)
    frame["before"] += np.arange(len(frame)) % 2
    frame.to_parquet(tmp_path / "odd.parquet")
    options = ["--metric", "paid", "--metric", "wait:quantile", "--segment", "country", "--covariate", "before"]
    found = document(tmp_path / "odd.parquet", *options)
    assert {one["reason"]: one["units"] for one in found["excluded"]} == {"no_segment": 1_000}
    assert {row["segment"] for row in found["segments"]} == {"de", "kr"}
    assert [(note["metric"], note["note"]) for note in found["notes"]] == [
        ("paid", "covariate_varies"),
        ("wait p50", "quantile"),
    ]
    for lang, told in (("en", "Units that name no segment, compared in none: 1,000."), ("ko", "대상: 1,000개.")):
        assert told in analyze(tmp_path / "odd.parquet", *options, "--lang", lang).output
    assert "differs between rows of the same unit" in analyze(tmp_path / "odd.parquet", *options).output


def test_a_missing_covariate_is_named(tmp_path: Path) -> None:
    frame = experiment()
    frame["before"] = frame["before"].where(frame["user"] % 8 > 0)
    frame.to_parquet(tmp_path / "new-users.parquet")
    found = document(tmp_path / "new-users.parquet", "--metric", "paid", "--covariate", "before")
    assert sum(one["units"] for one in found["excluded"]) == 500
    assert "no finite number in paid, before, left out of paid" in found["excluded"][0]["explanation"]


def test_names_with_brackets_are_told_as_they_are(tmp_path: Path) -> None:
    frame = experiment().rename(columns={"paid": "paid [€], net"})
    frame["arm"] = np.where(frame["arm"] == "new", "[bold]new", "old")
    frame.to_csv(tmp_path / "it's [1].csv", index=False)
    told = analyze(tmp_path / "it's [1].csv", "--metric", "paid [€], net").output
    assert "- [bold]new against old in paid [€], net: " in told


def test_a_loss_threshold_is_an_option_and_what_is_believed_is_of_a_stated_kind(file: Path) -> None:
    options = ["--metric", "paid:ratio", "--method", "bayesian"]
    strict, lenient = (document(file, *options, "--loss", loss) for loss in ("1e-9", "0.5"))
    assert strict["verdict"]["decision"] == "continue"
    assert lenient["verdict"]["decision"] in ("promote", "keep")
    assert strict["comparisons"][0]["credible_kind"] == "relative"


@pytest.mark.parametrize(
    ("options", "decision", "verdict"),
    [
        (["--non-inferiority", ".5"], "promote", "non_inferior"),
        (["--non-inferiority", "paid=.5"], "promote", "non_inferior"),
        (["--non-inferiority", ".001"], "keep", "inconclusive"),
        (["--non-inferiority", ".001", "--method", "sequential"], "continue", "inconclusive"),
    ],
)
def test_a_guardrail_s_margin_must_be_shown_to_hold(
    file: Path, options: list[str], decision: str, verdict: str
) -> None:
    base = ["--metric", "click:ratio", "--metric", "paid", "--guardrail", "paid", *options]
    found = document(file, *base)
    assert found["verdict"]["decision"] == decision
    (safety,) = found["non_inferiority"]
    assert (safety["metric"], safety["variant"], safety["verdict"]) == ("paid", "new", verdict)
    paid = found["comparisons"][1]
    if "--method" not in options:
        # Fieller's bound is that of the delta method where the control is well known.
        assert safety["bound"] == pytest.approx(paid["rel_ci_lower"], abs=0.003)
    assert safety["worst_allowed"] == -safety["margin"]
    english, korean = (analyze(file, *base, "--lang", lang).output for lang in ("en", "ko"))
    assert "paid, new: " in english
    assert "tolerable −" in english
    assert "허용 −" in korean


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--non-inferiority", ".1"], "non-inferiority is of guardrails; name one by --guardrail"),
        (["--guardrail", "paid", "--non-inferiority", "2"], "non-inferiority == '2', must be above 0 and below 1"),
        (["--guardrail", "paid", "--non-inferiority", "x"], "non-inferiority == 'x', must be above 0 and below 1"),
        (
            ["--guardrail", "paid", "--non-inferiority", "click=.1"],
            "non-inferiority names 'click', must be one of the guardrails: paid",
        ),
        (
            ["--guardrail", "paid", "--non-inferiority", ".1", "--non-inferiority", ".2"],
            "non-inferiority is given twice for every guardrail",
        ),
    ],
)
def test_margins_that_are_not_allowed_are_one_line(file: Path, options: list[str], told: str) -> None:
    result = analyze(file, "--metric", "paid", *options)
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)


def test_guardrails_under_bayesian_are_read_sequentially_and_it_is_told(file: Path) -> None:
    options = ["--metric", "click:ratio", "--metric", "paid", "--guardrail", "paid"]
    found = document(file, *options, "--method", "bayesian")["comparisons"]
    sequential = document(file, *options, "--method", "sequential")["comparisons"]
    assert [one["test"] for one in found] == ["welch", "sequential"]
    assert found[1]["ci_lower"] == pytest.approx(sequential[1]["ci_lower"])
    for lang, told in (("en", "Guardrails (paid) are read by the sequential method"), ("ko", "가드레일(paid)은")):
        assert told in analyze(file, *options, "--method", "bayesian", "--lang", lang).output


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_may_hold_the_marks_of_a_metric(tmp_path: Path, suffix: str) -> None:
    frame = experiment().rename(columns={"paid": "ga:paid/visit", "wait": "t: ms"})
    path = tmp_path / f"marks.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    paid, wait, ratio = document(
        path,
        *("--metric", r"ga\:paid\/visit", "--metric", r"t\: ms:quantile", "--metric", r"ga\:paid\/visit/t\: ms"),
    )["comparisons"]
    assert (paid["metric"], paid["kind"]) == ("ga:paid/visit", "mean")
    assert (wait["metric"], wait["kind"]) == ("t: ms p50", "quantile")
    assert ratio["control_value"] == pytest.approx(
        *(part["ga:paid/visit"].sum() / part["t: ms"].sum() for part in [frame[frame["arm"] == "old"]])
    )
