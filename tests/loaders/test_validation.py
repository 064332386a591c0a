"""Each threshold at its limit and beyond, the page that tells it, and get-data's way through all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.errors import DataError
from core.interactions import Interactions
from core.settings import ValidationThresholds
from loaders.base import SplitRule
from loaders.describe import all_train, describe
from loaders.local import LocalDataLoader
from loaders.preparing import Outputs, prepare
from loaders.problems import Problem
from loaders.set_aside import SetAside
from loaders.synthetic import SyntheticDataLoader
from loaders.validation import Check, Validation, unreadable, validate
from loaders.validation_page import validation_html
from tests.page_outline import PageOutline

LENIENT = ValidationThresholds(max_quarantined_share=1, max_duplicate_share=1, max_unknown_item_share=1)


@pytest.fixture(scope="module")
def data() -> Interactions:
    """40 users, 60 items, 900 ratings."""
    return SyntheticDataLoader(1, n_users=40, n_items=60, n_ratings=900).load()


def found(data: Interactions, set_aside: tuple[SetAside, ...] = (), **thresholds: float) -> Validation:
    limits = ValidationThresholds(**thresholds)
    return validate(data, limits, source="here", layout="test", set_aside=set_aside)


def check_of(validation: Validation, setting: str) -> Check:
    return next(check for check in validation.checks if check.setting == setting)


def repeated(data: Interactions, n: int) -> Interactions:
    return replace(data, ratings=pd.concat([data.ratings, data.ratings.iloc[:n]], ignore_index=True))


def test_sound_data_pass_every_check(data: Interactions) -> None:
    validation = found(data)

    assert validation.status == "ok"
    assert validation.refusal() is None
    assert {check.setting for check in validation.checks} - {""} == set(ValidationThresholds.model_fields)


def test_data_that_break_a_schema_are_refused_before_anything_is_counted(data: Interactions) -> None:
    wrong = replace(data, ratings=data.ratings.assign(timestamp=-1), items=data.items.assign(title=7))

    validation = found(wrong)

    assert [(check.name, check.status) for check in validation.checks] == [("columns, types and ranges", "fail")]
    assert "ratings: timestamp must hold seconds since 1970 (UTC); row 0: -1 and 899 more" in str(validation.refusal())
    assert validation.checks[0].examples == ("items: title must hold text throughout",)


@pytest.mark.parametrize(("setting", "count"), [("min_ratings", 900), ("min_users", 40), ("min_items", 60)])
def test_too_few_are_refused_and_just_enough_are_not(data: Interactions, setting: str, count: int) -> None:
    assert found(data, **{setting: count}).refusal() is None

    refusal = found(data, **{setting: count + 1}).refusal()
    assert f"{count}; expected at least {count + 1} (setting validation.{setting})" in str(refusal)


def test_repeated_ratings_are_counted(data: Interactions) -> None:
    twice = repeated(data, 9)

    allowed = check_of(found(twice, max_duplicate_share=0.01), "max_duplicate_share")
    assert (allowed.status, allowed.figure, allowed.limit) == ("warn", "9 of 909 ratings (0.99%)", "at most 1.00%")
    assert allowed.value == pytest.approx(9 / 909)
    assert allowed.examples[0].endswith("again")
    assert len(allowed.examples) == 3
    assert str(found(twice, max_duplicate_share=0.009).refusal()) == (
        "here: items rated again by the same user: 9 of 909 ratings (0.99%); expected at most 0.90% "
        "(setting validation.max_duplicate_share)"
    )


def test_ratings_of_items_not_listed_are_counted(data: Interactions) -> None:
    item = data.ratings["item_id"].iloc[0]
    unlisted = replace(data, items=data.items[data.items["item_id"] != item].reset_index(drop=True))
    share = (data.ratings["item_id"] == item).mean()

    assert check_of(found(unlisted, max_unknown_item_share=share), "max_unknown_item_share").status == "warn"
    failed = check_of(found(unlisted, max_unknown_item_share=share * 0.99), "max_unknown_item_share")
    assert (failed.status, failed.examples) == ("fail", (f"item {item}",))


def test_data_without_an_item_table_know_every_item(data: Interactions) -> None:
    check = check_of(
        found(replace(data, items=data.items.iloc[:0]), max_unknown_item_share=0), "max_unknown_item_share"
    )

    assert (check.status, check.figure, check.value) == ("ok", "the data list no items", None)


def test_the_worst_file_counts(data: Interactions) -> None:
    files = (SetAside("ratings.csv", 1000, 3), SetAside("movies.csv", 10, 2), SetAside("tags.csv", 0, 0))

    check = check_of(found(data, files, max_quarantined_share=0.2), "max_quarantined_share")
    assert (check.status, check.figure) == ("warn", "2 of 10 lines of movies.csv (20.00%)")
    assert check.examples == ("3 of 1,000 lines of ratings.csv", "2 of 10 lines of movies.csv")
    assert found(data, files, max_quarantined_share=0.19).status == "fail"
    assert found(data, files).n_set_aside == 5


def test_a_refusal_counts_the_other_failures(data: Interactions) -> None:
    refusal = found(data, min_ratings=1000, min_users=50).refusal()

    assert str(refusal).endswith("(setting validation.min_ratings) (and 1 more failed checks)")


def test_no_ratings_are_too_few() -> None:
    none = SyntheticDataLoader(1, n_users=20, n_items=60).load().take([])

    assert found(none).status == "fail"
    assert json.dumps(found(none).as_dict(), allow_nan=False)


def test_the_page_tells_every_check_and_fetches_nothing(data: Interactions) -> None:
    twice = repeated(data, 9)
    validation = found(twice, (SetAside("ratings.csv", 1000, 3),), min_users=50)
    page = validation_html(validation, describe(twice, all_train(twice)))

    for check in validation.checks:
        assert check.name in page
        assert check.figure in page
        assert check.limit in page
    assert "users with a rating: 40; expected at least 50 (setting validation.min_users)" in page
    assert "within the limit" in page
    assert 'content="width=device-width' in page
    assert page.count("<svg") == page.count("</svg>") >= 4
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert PageOutline(page).texts


def test_the_page_of_unreadable_data_escapes_what_they_hold() -> None:
    error = DataError("rating is '<b>'", file="ratings.csv", line=3)
    page = validation_html(unreadable(error, source="<i>", problems=[Problem.of(error)]))

    assert "The data cannot be used." in page
    assert "ratings.csv:3: rating is &#39;&lt;b&gt;&#39;" in page
    assert "<b>" not in page
    assert "<i>" not in page


def spoil(folder: Path, *lines: int) -> None:
    file = folder / "ratings.csv"
    rows = file.read_text().splitlines()
    for line in lines:
        rows[line - 1] = "1,7,9,978300000"
    file.write_text("\n".join(rows) + "\n")


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    base = tmp_path / "step"
    return Outputs(base / "dataset", base / "description", base / "validation", base / "set_aside")


def loader_of(folder: Path) -> LocalDataLoader:
    return LocalDataLoader(folder, split=SplitRule("leave_last_n", n=2))


def test_sound_data_are_prepared_with_two_pages(latest: Path, outputs: Outputs) -> None:
    metadata = prepare(loader_of(latest), outputs, thresholds=ValidationThresholds())

    assert (metadata["n_ratings"], metadata["validation"]["status"]) == (18, "ok")
    assert (outputs.dataset / "train.parquet").is_file()
    assert "The data can be used." in outputs.validation.read_text()
    assert "leave_last_n(n=2)" in outputs.description.read_text()
    assert outputs.set_aside.read_text() == "file,line,reason,text\n"
    json.dumps(metadata, allow_nan=False)


def test_what_another_packages_loader_gets_wrong_is_on_the_page(latest: Path, outputs: Outputs) -> None:
    class Careless(LocalDataLoader):
        def load(self) -> Interactions:
            return replace(super().load(), ratings=super().load().ratings.assign(rating="good"))

    with pytest.raises(DataError, match="ratings: rating is of type object; expected float32"):
        prepare(Careless(latest, split=SplitRule("leave_last_n", n=2)), outputs, thresholds=ValidationThresholds())
    assert "rating is of type object" in outputs.validation.read_text()
    assert not outputs.dataset.exists()


def test_a_bad_line_is_refused_and_the_page_says_which(latest: Path, outputs: Outputs) -> None:
    spoil(latest, 4, 6)

    with pytest.raises(DataError, match=r"ratings.csv:4: rating is 9.0"):
        prepare(loader_of(latest), outputs, thresholds=ValidationThresholds())
    page = outputs.validation.read_text()
    assert "The data cannot be used." in page
    assert "ratings.csv:6: rating is 9.0" in page
    assert not outputs.dataset.exists()


def test_bad_lines_are_set_aside_on_request_and_counted(latest: Path, outputs: Outputs) -> None:
    spoil(latest, 4, 6)

    metadata = prepare(loader_of(latest), outputs, thresholds=LENIENT, quarantine=True)

    assert metadata["n_ratings"] == 16
    assert metadata["validation"]["set_aside"] == {f"{latest}/ratings.csv": 2}
    assert len(outputs.set_aside.read_text().splitlines()) == 3
    assert "2 of 18 lines of" in outputs.validation.read_text()


def test_too_many_lines_set_aside_are_refused_and_the_report_stays(latest: Path, outputs: Outputs) -> None:
    spoil(latest, 4, 6)

    with pytest.raises(DataError) as caught:
        prepare(loader_of(latest), outputs, thresholds=ValidationThresholds(), quarantine=True)
    assert str(caught.value) == (
        f"{latest}: lines set aside: 2 of 18 lines of ratings.csv (11.11%); expected at most 5.00% "
        f"(setting validation.max_quarantined_share); all checks are in {outputs.validation}"
    )
    assert "max_quarantined_share" in outputs.validation.read_text()
    assert len(outputs.set_aside.read_text().splitlines()) == 3
    assert not outputs.dataset.exists()


def test_data_that_cannot_be_split_are_refused_and_the_report_says_so(latest: Path, outputs: Outputs) -> None:
    loader = LocalDataLoader(latest, split=SplitRule("leave_last_n", n=50))

    with pytest.raises(DataError, match="can be split: split leave_last_n"):
        prepare(loader, outputs, thresholds=ValidationThresholds())
    assert "leaves no test rows of 18 ratings" in outputs.validation.read_text()


def test_a_loader_without_lines_has_nothing_to_set_aside(outputs: Outputs) -> None:
    loader = SyntheticDataLoader(1, n_users=20, n_items=60)

    metadata = prepare(loader, outputs, thresholds=ValidationThresholds(), quarantine=True)

    assert (metadata["validation"]["status"], metadata["validation"]["n_set_aside"]) == ("ok", 0)


@pytest.mark.real_data
def test_ml_latest_small_passes_every_default_threshold(movielens: Path, outputs: Outputs) -> None:
    metadata = prepare(LocalDataLoader(movielens), outputs, thresholds=ValidationThresholds())

    values = {check["setting"]: check["value"] for check in metadata["validation"]["checks"] if check["setting"]}
    assert metadata["validation"]["status"] == "ok"
    assert values == {
        "min_ratings": 100_836,
        "min_users": 610,
        "min_items": 9_724,
        "max_quarantined_share": 0,
        "max_duplicate_share": 0,
        "max_unknown_item_share": 0,
    }
