"""``screentest data`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.data import app
from core.errors import ConfigError, DataError, UnknownName
from loaders.local import LocalDataLoader
from tests.file_server import serving
from tests.small_releases import write_release, zip_folder


@pytest.fixture
def latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCREENTEST_SPLIT", "leave_last_n")
    monkeypatch.setenv("SCREENTEST_SPLIT_N", "2")
    return write_release("ml-latest", tmp_path / "ml-latest")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def spoil(folder: Path) -> None:
    lines = (folder / "ratings.csv").read_text().split("\n")
    lines[3], lines[5] = "1,7,9,978300000", "1,9,many,978300000"
    (folder / "ratings.csv").write_text("\n".join(lines))


@pytest.mark.parametrize("packed", [False, True])
def test_sound_data_are_described(packed: bool, latest: Path, tmp_path: Path) -> None:
    path = zip_folder(latest, tmp_path / "ml.zip", top="ml-latest") if packed else latest

    result = run("check", path)

    assert result.exit_code == 0, result.output
    assert f"{path} is sound (ml-latest, leave_last_n(n=2))" in result.stdout
    for word in ("density", "long tail", "cold users", "Gini", "median 6", "100.00% of all user-item pairs", "█"):
        assert word in result.stdout


def test_json_is_all_there_is_on_standard_output(latest: Path) -> None:
    result = run("check", latest, "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["ok"] is True
    assert (document["layout"], document["problems"], document["quarantined"]) == ("ml-latest", [], 0)
    assert document["description"]["n_ratings"] == 18
    assert document["description"]["n_test"] == 6


def test_each_problem_is_one_line(latest: Path) -> None:
    spoil(latest)

    result = run("check", latest)

    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{latest}/ratings.csv:4: rating is 9.0; expected a number above 0 and up to 5",
        f"{latest}/ratings.csv:6: rating is 'many'; expected a number",
    ]
    assert str(result.exception) == (
        f"{latest}: 2 problems; mend the files, or set the bad lines aside with --quarantine FILE"
    )


def test_a_single_problem_is_the_error_itself(latest: Path, tmp_path: Path) -> None:
    whole = zip_folder(latest, tmp_path / "ml.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:500])

    result = run("check", tmp_path / "cut.zip")

    assert isinstance(result.exception, DataError)
    assert str(result.exception).startswith(f"{tmp_path}/cut.zip: is no complete zip: truncated")
    assert result.output == ""


def test_json_of_bad_data_lists_the_problems_and_exits_with_2(latest: Path) -> None:
    spoil(latest)

    result = run("check", latest, "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 2
    assert document["ok"] is False
    assert document["description"] is None
    assert [(problem["kind"], problem["count"], problem["lines"]) for problem in document["problems"]] == [
        ("out_of_range", 1, [4]),
        ("not_a_number", 1, [6]),
    ]


def test_json_of_a_missing_path_is_json(tmp_path: Path) -> None:
    result = run("check", tmp_path / "nowhere", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0]["message"] == "does not exist; expected a MovieLens folder or zip"


def test_bad_lines_set_aside_are_reported_and_the_rest_is_described(
    latest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_VALIDATION", '{"max_quarantined_share": 0.2}')
    spoil(latest)

    result = run("check", latest, "--quarantine", tmp_path / "bad.csv")

    assert result.exit_code == 0, result.output
    assert f"2 lines set aside in {tmp_path}/bad.csv" in result.stdout
    assert f"set aside: {latest}/ratings.csv:4: rating is 9.0" in result.stderr
    assert "within the limit: lines set aside: 2 of 18 lines of ratings.csv (11.11%); at most 20.00%" in result.stdout
    assert len((tmp_path / "bad.csv").read_text().splitlines()) == 3


def test_more_lines_set_aside_than_allowed_are_too_many(latest: Path, tmp_path: Path) -> None:
    spoil(latest)

    result = run("check", latest, "--quarantine", tmp_path / "bad.csv", "--html", tmp_path / "page" / "v.html")

    assert isinstance(result.exception, DataError)
    assert str(result.exception) == (
        f"{latest}: lines set aside: 2 of 18 lines of ratings.csv (11.11%); expected at most 5.00% "
        "(setting validation.max_quarantined_share)"
    )
    assert "The data cannot be used." in (tmp_path / "page" / "v.html").read_text()
    document = json.loads(run("check", latest, "--quarantine", tmp_path / "bad.csv", "--json").stdout)
    assert (document["ok"], document["validation"]["status"]) == (False, "fail")


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_page_is_written_whether_the_data_can_be_used_or_not(spoilt: bool, latest: Path, tmp_path: Path) -> None:
    if spoilt:
        spoil(latest)

    result = run("check", latest, "--html", tmp_path / "validation.html")

    page = (tmp_path / "validation.html").read_text()
    assert isinstance(result.exception, DataError) == spoilt
    assert ("The data cannot be used." in page) == spoilt
    assert ("ratings.csv:6: rating is &#39;many&#39;; expected a number" in page) == spoilt


def test_a_page_that_cannot_be_written_is_named(latest: Path, tmp_path: Path) -> None:
    result = run("check", latest, "--html", tmp_path)

    assert isinstance(result.exception, ConfigError)
    assert f"--html {tmp_path} cannot be written (Is a directory)" in str(result.exception)


def test_sound_data_too_small_for_the_split_are_sound(latest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_SPLIT_N", "50")

    result = run("check", latest)

    assert result.exit_code == 0, result.output
    assert "18 to learn from, none left to be judged by" in result.stdout
    assert json.loads(run("check", latest, "--json").stdout)["description"]["cold_item_test_share"] is None


def test_synthesized_ratings_check_out(tmp_path: Path) -> None:
    result = run("synthesize", tmp_path / "out", "--seed", 5, "--users", 30, "--items", 60)

    assert result.exit_code == 0, result.output
    assert result.stdout == (f"wrote {tmp_path}/out/ratings.csv and {tmp_path}/out/movies.csv: 600 ratings, seed 5\n")
    data = LocalDataLoader(tmp_path / "out").load()
    assert (len(data.user_index()), len(data.items), len(data)) == (30, 60, 600)


def test_the_shape_of_ml_1m_has_whole_stars(tmp_path: Path) -> None:
    result = run("synthesize", tmp_path / "out", "--shape", "ml-1m", "--users", 30, "--items", 60)

    assert result.exit_code == 0, result.output
    assert set(LocalDataLoader(tmp_path / "out").load().ratings["rating"]) == {1, 2, 3, 4, 5}
    assert isinstance(run("synthesize", tmp_path / "new", "--shape", "ml-9").exception, UnknownName)


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("synthesize", tmp_path / name, "--users", 20, "--items", 50)

    for file in ("ratings.csv", "movies.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_impossible_numbers_and_full_folders_are_refused(latest: Path, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "new", "--ratings", 5), (latest, "--users", 20, "--items", 50)):
        result = run("synthesize", *arguments)
        assert isinstance(result.exception, ConfigError), result.output


def test_a_table_with_columns_of_other_names_is_checked(tmp_path: Path) -> None:
    table = tmp_path / "shop.csv"
    table.write_text("uid,sku,when\n" + "".join(f"u{n % 3},a{n},2019-07-04T12:30:0{n}Z\n" for n in range(9)))

    result = run("check", table, "--columns", "user_id=uid,item_id=sku,timestamp=when")

    assert result.exit_code == 0, result.output
    assert f"{table} is sound (table, " in result.stdout
    refused = run("check", table)
    assert isinstance(refused.exception, DataError)
    assert "its columns are uid, sku, when; expected user_id or userId" in str(refused.exception)
    assert isinstance(run("check", table, "--columns", "user=uid").exception, ConfigError)


def test_data_at_an_address_are_fetched_and_checked(
    latest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_CACHE_DIR", str(tmp_path / "cache"))
    with serving({"/ml.zip": zip_folder(latest, tmp_path / "ml.zip").read_bytes()}) as served:
        result = run("check", f"{served.address}/ml.zip", "--json")

    assert json.loads(result.stdout)["description"]["n_ratings"] == 18


@pytest.mark.parametrize("arguments", [["check", "--help"], ["synthesize", "--help"], ["--help"]])
def test_help_helps(arguments: list[str]) -> None:
    result = run(*arguments)

    assert result.exit_code == 0
    assert "quarantine" in result.stdout or "synthesize" in result.stdout
