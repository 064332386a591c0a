"""``screentest analyze --test``, ``--stratify``, ``--adjust`` and ``--session``, on written files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.estimates import ratio_estimate
from experiments.inference.moments import Moments
from experiments.inference.post_stratification import post_stratified
from experiments.over_time.session_metrics import session_moments
from tests.cli.analyze_examples import analyze, document, experiment


@pytest.fixture(scope="module", params=["csv", "parquet"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / f"experiment.{request.param}"
    frame = with_sessions()
    frame.to_csv(path, index=False) if request.param == "csv" else frame.to_parquet(path)
    return path


def with_sessions() -> pd.DataFrame:
    """A row per event, with its session and a stratum known beforehand."""
    frame = experiment()
    rng = np.random.default_rng(5)
    frame["visit"] = [
        f"{user}-{number}" for user, number in zip(frame["user"], rng.integers(0, 3, len(frame)), strict=True)
    ]
    frame["plan"] = np.where(frame["before"] > 5.5, "gold", np.where(frame["before"] > 4.5, "silver", "free"))
    return frame


def units(column: str = "paid", how: str = "sum") -> tuple[np.ndarray, np.ndarray]:
    per_unit = with_sessions().groupby("user").agg(arm=("arm", "first"), value=(column, how))
    return tuple(per_unit[per_unit["arm"] == arm]["value"].to_numpy(float) for arm in ("new", "old"))  # type: ignore[return-value]


def table() -> list[list[int]]:
    return [[int(arm.sum()), int(len(arm) - arm.sum())] for arm in units("bought", "max")]


@pytest.mark.parametrize(
    ("test", "metric", "expected"),
    [
        ("auto", "paid", lambda: stats.ttest_ind(*units(), equal_var=False).pvalue),
        ("welch", "paid", lambda: stats.ttest_ind(*units(), equal_var=False).pvalue),
        ("mann-whitney", "paid", lambda: stats.mannwhitneyu(*units()).pvalue),
        ("brunner-munzel", "paid", lambda: stats.brunnermunzel(*units()).pvalue),
        ("chi-squared", "bought", lambda: stats.chi2_contingency(table(), correction=False).pvalue),
        ("fisher", "bought", lambda: stats.fisher_exact(table()).pvalue),
    ],
)
def test_each_test_agrees_with_scipy(file: Path, test: str, metric: str, expected: Any) -> None:
    (found,) = document(file, "--metric", metric, "--test", test)["comparisons"]
    assert found["pvalue"] == pytest.approx(expected(), rel=1e-6)
    assert (found["status"], found["test"]) == ("ok", "welch" if test == "auto" else test)
    assert found["ci_lower"] < found["effect_size"] < found["ci_upper"]


def test_ranks_tell_a_chance_and_a_bootstrap_a_difference(file: Path) -> None:
    options = ["--metric", "paid", "--metric", "click:ratio", "--test", "bootstrap", "--test", "paid=mann-whitney"]
    paid, click = document(file, *options)["comparisons"]
    new, old = units()
    assert paid["effect_kind"] == "probability_of_superiority"
    assert paid["effect_size"] == pytest.approx(stats.mannwhitneyu(new, old).statistic / len(new) / len(old))
    assert (paid["rel_effect_size"], paid["treatment_value"]) == (None, pytest.approx(new.mean()))
    assert (click["test"], click["effect_kind"]) == ("bootstrap", "difference")
    (welch,) = document(file, "--metric", "click:ratio")["comparisons"]
    assert click["effect_size"] == pytest.approx(welch["effect_size"])
    assert click["se"] == pytest.approx(welch["se"], rel=0.05)
    # Two tests are corrected together.
    assert click["pvalue_adjusted"] == pytest.approx(2 * click["pvalue"])
    # The same draws again; sums over several threads may differ in their last bits.
    again = document(file, *options)["comparisons"][1]
    assert (again["se"], again["ci_lower"]) == pytest.approx((click["se"], click["ci_lower"]), rel=1e-9)
    seeded = document(file, *options, "--seed", "4", "--resamples", "500")["comparisons"][1]
    assert seeded["se"] != click["se"]
    told = analyze(file, *options).output
    assert "a unit of new is above one of old with a chance of" in told
    assert "변형안의 대상이 기준안의 대상보다 높을 확률" in analyze(file, *options, "--lang", "ko").output


def test_segments_are_compared_by_the_same_test(file: Path) -> None:
    found = document(file, "--metric", "paid", "--test", "brunner-munzel", "--segment", "country")["segments"]
    frame = (
        with_sessions().groupby("user").agg(arm=("arm", "first"), country=("country", "first"), paid=("paid", "sum"))
    )
    for row in found:
        own = frame[frame["country"] == row["segment"]]
        arms = (own[own["arm"] == arm]["paid"] for arm in ("new", "old"))
        assert row["pvalue"] == pytest.approx(stats.brunnermunzel(*arms).pvalue)
    assert [row["segment"] for row in found] == ["de", "kr"]


def test_strata_narrow_the_interval_as_the_library_does(file: Path) -> None:
    options = ["--metric", "paid:ratio", "--stratify", "plan"]
    (plain,) = document(file, "--metric", "paid:ratio")["comparisons"]
    found = document(file, *options)
    (one,) = found["comparisons"]
    per_unit = (
        with_sessions()
        .groupby("user")
        .agg(arm=("arm", "first"), plan=("plan", "first"), paid=("paid", "sum"), rows=("paid", "size"))
    )
    strata = [
        [
            Moments.from_rows(per_unit[(per_unit["arm"] == arm) & (per_unit["plan"] == plan)][["paid", "rows"]])
            for plan in ("free", "gold", "silver")
        ]
        for arm in ("new", "old")
    ]
    together = post_stratified(*strata)
    treatment, control = ratio_estimate(together.treatment), ratio_estimate(together.control)
    assert one["effect_size"] == pytest.approx(treatment.value - control.value)
    assert one["se"] == pytest.approx(np.sqrt(treatment.variance + control.variance))
    assert one["se"] < 0.85 * plain["se"]
    assert one["variance_reduction"] == pytest.approx(1 - (one["se"] / plain["se"]) ** 2)
    assert found["adjustment"] == {"covariate": "", "adjust": "", "stratify": "plan"}
    assert [note["note"] for note in found["notes"]] == ["stratified"]
    both = document(file, *options, "--covariate", "before")["comparisons"][0]
    assert both["variance_reduction"] > one["variance_reduction"]
    told = analyze(file, *options, "--segment", "country").output
    assert "Participants were compared within groups of their like" in told
    assert "What was known beforehand took away" in told


def test_lin_and_cuped_agree_where_slopes_do(file: Path) -> None:
    options = ["--metric", "paid:ratio", "--covariate", "before"]
    (cuped,), (lin,) = (document(file, *options, *more)["comparisons"] for more in ([], ["--adjust", "lin"]))
    assert lin["effect_size"] != cuped["effect_size"]
    assert lin["effect_size"] == pytest.approx(cuped["effect_size"], abs=0.2 * cuped["se"])
    assert lin["se"] == pytest.approx(cuped["se"], rel=0.02)
    assert document(file, *options, "--adjust", "lin")["adjustment"]["adjust"] == "lin"
    with_strata = analyze(file, *options, "--adjust", "lin", "--stratify", "plan")
    assert "goes without strata" in str(with_strata.exception)


def test_sessions_are_counted_and_what_they_bring_is_per_unit(file: Path) -> None:
    frame = with_sessions()
    per_session, per_unit = document(file, "--session", "visit", "--metric", "paid/visit:ratio", "--metric", "visit")[
        "comparisons"
    ]
    for arm, name in (("new", "treatment_value"), ("old", "control_value")):
        own = frame[frame["arm"] == arm]
        sessions = pd.factorize(own["visit"])[0]
        moments = session_moments(own["user"].to_numpy(), sessions, own["paid"].to_numpy())
        estimate = ratio_estimate(moments)
        assert per_session[name] == pytest.approx(estimate.value)
        assert per_unit[name] == pytest.approx(moments.mean[1])
    assert per_session["status"] == per_unit["status"] == "ok"


def test_what_cannot_be_compared_has_a_status_and_a_sentence(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": range(6), "arm": ["old"] * 3 + ["new"] * 3, "paid": [1.0, 2, 3, 7, 8, np.nan]})
    frame.to_csv(tmp_path / "few.csv", index=False)
    for test, paid, status in (
        ("mann-whitney", frame["paid"], "no_overlap"),
        ("bootstrap", frame["paid"] * 0, "no_variance"),
        ("brunner-munzel", frame["paid"].where(frame["user"] < 4), "too_few_units"),
        ("mann-whitney", frame["paid"].where(frame["user"] < 3), "no_units"),
    ):
        frame.assign(paid=paid).to_csv(tmp_path / "few.csv", index=False)
        (found,) = document(tmp_path / "few.csv", "--metric", "paid", "--test", test)["comparisons"]
        assert (found["status"], found["ci_lower"]) == (status, None), test
        assert found["explanation"]
        assert (found["pvalue"] is None) == (status not in ("no_overlap",)), test


def test_ranks_that_contradict_the_mean_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    new = rng.random(2_000) < 0.5
    paid = rng.random(2_000) + 0.3 * new + np.where(~new & (rng.random(2_000) < 0.01), 500.0, 0.0)
    frame = pd.DataFrame({"user": range(2_000), "arm": np.where(new, "new", "old"), "paid": paid})
    frame.to_csv(tmp_path / "heavy.csv", index=False)
    options = ["--metric", "paid", "--test", "mann-whitney"]
    assert document(tmp_path / "heavy.csv", *options)["verdict"]["decision"] == "promote"
    assert "the mean point to different variants" in analyze(tmp_path / "heavy.csv", *options).output
    assert "평균이 서로 다른 안" in analyze(tmp_path / "heavy.csv", *options, "--lang", "ko").output


def test_no_table_is_cut_where_nobody_looks_at_a_terminal(tmp_path: Path) -> None:
    name = "what_people_paid_in_the_first_week_after_they_saw_it_before_returns"
    experiment().rename(columns={"paid": name, "click": f"{name}_too"}).to_csv(tmp_path / "long.csv", index=False)
    told = analyze(tmp_path / "long.csv", "--metric", name, "--metric", f"{name}_too").output
    (row,) = (line for line in told.splitlines() if line.startswith(f"{name} "))
    assert "…" not in told
    assert len(row) > 120


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (["--test", "fisher"], ConfigError, "'fisher' is of proportion metrics, 'paid' is a mean; take one of auto"),
        (["--test", "anova"], ConfigError, "test == 'anova', must be one of auto, welch"),
        (["--test", "wait=z"], ConfigError, "test names 'wait', must be one of the metrics: paid"),
        (["--test", "z", "--test", "welch"], ConfigError, "test is given twice for every metric: z, welch"),
        (["--test", "z", "--method", "sequential"], ConfigError, "test == 'z' is for one look, method 'sequential'"),
        (["--test", "mann-whitney", "--covariate", "before"], ConfigError, "takes no --covariate; take 'welch' or 'z'"),
        (["--test", "bootstrap", "--stratify", "plan"], ConfigError, "takes no --stratify"),
        (["--test", "bootstrap", "--resamples", "5"], ConfigError, "n_resamples == 5, must be >= 100"),
        (["--resamples", "500"], ConfigError, "--resamples and --seed belong to --test bootstrap"),
        (["--adjust", "lin"], ConfigError, "--adjust lin belongs to --covariate"),
        (["--stratify", "colour"], DataError, "has no column 'colour'"),
        (["--session", "visit", "--metric", "visit:quantile"], ConfigError, "is a quantile of sessions; write visit"),
    ],
)
def test_bad_input_is_one_line(file: Path, options: list[str], error: type[Exception], told: str) -> None:
    result = analyze(file, "--metric", "paid", *options)
    assert isinstance(result.exception, error), result.output
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)
