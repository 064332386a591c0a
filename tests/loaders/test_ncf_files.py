"""The NCF paper's files: found, read, refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from loaders.ncf_files import NEGATIVES, TEST, find_ncf_files, item_numbers, read_published_test, read_ratings
from tests.ncf_release import N_NEGATIVES, N_USERS, ratings, write_ncf_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ncf_release(tmp_path_factory.mktemp("ncf") / "ml-1m")


def copy_of(release: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in release.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_one_held_out_item_and_its_negatives_per_user(release: Path) -> None:
    found = read_published_test(release)
    assert found.user.tolist() == list(range(N_USERS))
    assert found.negatives.shape == (N_USERS, N_NEGATIVES)
    assert not (found.negatives == found.item[:, np.newaxis]).any()


def test_the_files_may_lie_beside_the_data(release: Path, tmp_path: Path) -> None:
    folder = copy_of(release, tmp_path / "files")
    (tmp_path / "files" / "inner").mkdir()
    assert find_ncf_files(folder) == folder
    assert find_ncf_files(folder / "inner") == folder


def test_where_they_are_missing_it_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"fetch them from https://github.com/hexiangnan/neural_collaborative_filtering"
    ):
        find_ncf_files(tmp_path)


def test_items_are_numbered_as_ratings_name_them_first(release: Path) -> None:
    table = ratings()
    read = read_ratings(write_rebuilt(release))
    assert read is not None
    numbers = item_numbers(read.interactions)
    assert numbers[:3].tolist() == list(dict.fromkeys(table["item_id"]))[:3]


def write_rebuilt(release: Path) -> Path:
    folder = release.parent / "rebuilt"
    return folder if folder.exists() else write_ncf_release(folder, times=False)


def test_ratings_without_times_are_read_with_times_of_zero(release: Path) -> None:
    read = read_ratings(write_rebuilt(release))
    assert read is not None
    assert not read.by_number
    assert len(read.interactions) == len(ratings())
    assert set(read.interactions.ratings["timestamp"]) == {0}


def rebuilt_in(shape: str, release: Path, folder: Path) -> Path:
    """The ratings without times and without movies, where the reader of the benchmark may have them."""
    made = copy_of(release, folder / "ml-1m")
    bare = ratings()[["user_id", "item_id", "rating"]]
    for name in ("ratings.dat", "movies.dat", "users.dat", "ml-1m.train.rating"):
        (made / name).unlink()
    if "csv" in shape:
        bare.to_csv(made / "ratings.csv", index=False)
        return made / "ratings.csv" if "alone" in shape else made
    (made / "ratings.dat").write_text("\n".join("::".join(map(str, row)) for row in bare.itertuples(index=False)))
    if "zip" not in shape:
        return made / "ratings.dat" if "alone" in shape else made
    with zipfile.ZipFile(folder / "ml-1m.zip", "w") as packed:
        for path in made.iterdir():
            if "beside" in shape and path.name != "ratings.dat":
                path.rename(folder / path.name)
            else:
                packed.write(path, f"ml-1m/{path.name}")
    return folder / "ml-1m.zip"


@pytest.mark.parametrize("shape", ["dat", "dat alone", "csv", "csv alone", "zip", "zip, pairs beside"])
def test_rebuilt_ratings_are_read_in_whatever_shape(shape: str, release: Path, tmp_path: Path) -> None:
    data = rebuilt_in(shape, release, tmp_path)
    read = read_ratings(data)
    assert read is not None
    assert item_numbers(read.interactions).tolist() == list(dict.fromkeys(ratings()["item_id"]))
    assert read.interactions.ratings["user_id"].tolist() == ratings()["user_id"].tolist()
    assert len(read_published_test(find_ncf_files(data)).user) == N_USERS


def test_a_whole_release_is_left_to_its_loader(release: Path) -> None:
    assert read_ratings(release) is None


def test_the_papers_own_ratings_stand_in(release: Path, tmp_path: Path) -> None:
    folder = copy_of(release, tmp_path / "files")
    for name in ("ratings.dat", "movies.dat", "users.dat"):
        (folder / name).unlink()
    read = read_ratings(folder)
    assert read is not None
    assert read.by_number
    assert len(read.interactions) == len(ratings())
    assert read.interactions.ratings["user_id"].min() == 0


def test_a_folder_without_any_ratings_is_left_to_its_loader(tmp_path: Path) -> None:
    assert read_ratings(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        (TEST, "1\t2\tx\t4\n", "must hold user, item, rating and time, whole numbers separated by tabs"),
        (TEST, "1\t2\t3\t4\n1\t3\t3\t4\n", "names a user twice"),
        (NEGATIVES, "", "must hold a pair and its items in every line"),
        (NEGATIVES, "(0,1)\t5\t6\n", "does not name the pairs of ml-1m.test.rating, line by line"),
    ],
)
def test_a_damaged_file_is_refused(release: Path, tmp_path: Path, name: str, line: str, complaint: str) -> None:
    folder = copy_of(release, tmp_path / "files")
    (folder / name).write_text(line)
    with pytest.raises(DataError, match=complaint) as caught:
        read_published_test(folder)
    assert name in str(caught.value)
