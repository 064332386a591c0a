"""Every feature of a world worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import log, nan, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from core.errors import DataError
from core.interactions import Interactions
from feature_repo.catalogue import CROSS_FEATURES, filled
from feature_repo.cross import cross_features
from feature_repo.matrices import FeatureMatrices, features_as_of, features_version
from tests.small_feature_world import AS_OF, DAY, small_world


@pytest.fixture(scope="module")
def features() -> FeatureMatrices:
    return features_as_of(small_world(), AS_OF)


#: In the order of the layout; genres are Drama, Noir, War.
USERS = {
    # Rated 4, 3, then 5 after 100 days: two sessions, of ten minutes and of none.
    1: [3, 4, sqrt(2 / 3), 2 / 3, 100, 200, 2, 1.5, 2, 5, 5, log(3) - 2 / 3 * log(2), 2, 1.5, 5,
        (log(3) + log(3) + log(2)) / 3, 1995, 24, 0, 1, 1 / 3, 0, 2 / 3, 0, 0, -1 / 7],
    2: [1, 2, 0, 0, 100 - 1 / 24, 100 - 1 / 24, 1, 1, 4, 4, 2, log(2), 1, 1, 0,
        log(3), 1990, 53, 1, 0, 1 / 2, 0, 1 / 2, 0, 0, 0],
    3: [1, 4.5, 0, 1, 10, 10, 1, 1, 5, 4, 4, 0, 1, 1, 0,
        log(3), 2000, nan, nan, nan, 0, 0, 1, 0, 0, 0],
}  # fmt: skip
#: The mean of all ratings known is 3.7. 1 January 1990 and 2000 are days 7,305 and 10,957.
ITEMS = {
    10: [2, log(3), 3, 1, (6 + 37) / 12, 0.5, 0, -1 / 2, 100 - 1 / 24, 200, 1990, (10_200 - 7_305) / 365.25,
         3, log(3) - 2 / 3 * log(2), 2, 1, 0, 1],
    20: [2, log(3), 3.75, 0.75, (7.5 + 37) / 12, 0.5, 1, 1 / 2, 10, 200 - 600 / DAY, 2000, (10_200 - 10_957) / 365.25,
         0, 0, 1, 0, 0, 1],
    30: [1, log(2), 5, 0, (5 + 37) / 11, 1, 0, -1 / 2, 100, 100, nan, nan, 0, 0, 0, 0, 0, 0],
}  # fmt: skip


def test_columns_of_the_small_world(features: FeatureMatrices) -> None:
    assert features.layout.genres == ("Drama", "Noir", "War")
    assert features.users.ids.tolist() == [1, 2, 3, 4]
    assert features.items.ids.tolist() == [10, 20, 30]


@pytest.mark.parametrize("user", USERS)
def test_user_features(features: FeatureMatrices, user: int) -> None:
    row = features.user[features.users.index_of([user])[0]]
    assert dict(zip(features.layout.user_names, row.tolist(), strict=True)) == pytest.approx(
        dict(zip(features.layout.user_names, USERS[user], strict=True)), rel=1e-6, abs=1e-6, nan_ok=True
    )


@pytest.mark.parametrize("item", ITEMS)
def test_item_features(features: FeatureMatrices, item: int) -> None:
    row = features.item[features.items.index_of([item])[0]]
    assert dict(zip(features.layout.item_names, row.tolist(), strict=True)) == pytest.approx(
        dict(zip(features.layout.item_names, ITEMS[item], strict=True)), rel=1e-6, abs=1e-6, nan_ok=True
    )


def test_nobody_is_known_before_their_first_rating(features: FeatureMatrices) -> None:
    assert np.isnan(features.user[3]).all()
    assert np.isnan(features_as_of(small_world(), 10_000 * DAY).user).all()
    earlier = features_as_of(small_world(), 10_050 * DAY)
    assert np.isnan(earlier.item[:, 0]).tolist() == [False, False, True]


def test_without_a_time_everything_counts() -> None:
    features = features_as_of(small_world())
    assert features.as_of == AS_OF + 2
    assert features.user[:, 0].tolist() == [3, 1, 2, 1]


def test_user_and_item_together(features: FeatureMatrices) -> None:
    layout = features.layout
    users, items = filled(features.user, layout.user_defaults), filled(features.item, layout.item_defaults)
    (row,) = cross_features(layout, users[0], items[:1])
    lifts = [0, -1 / 7]
    assert row.tolist() == pytest.approx(
        [(1 / 3 + 2 / 3) / 2, sum(lifts) / 2, max(lifts), 43 / 12 - 4, log(3) - (2 * log(3) + log(2)) / 3, 1990 - 1995],
        rel=1e-5,
    )
    (without_genres,) = cross_features(layout, users[0], items[2:])
    assert without_genres[:3].tolist() == [0, 0, 0]
    assert len(row) == len(CROSS_FEATURES)


def test_ratings_alone_suffice() -> None:
    features = features_as_of(Interactions(small_world().ratings), AS_OF)
    assert features.layout.genres == ()
    rows = {"user": features.user[:3], "item": features.item}
    expected = {"user": np.array([*USERS.values()])[:, :20], "item": np.array([*ITEMS.values()])[:, :15]}
    needs_more = {
        "user": {"genre_diversity", "item_year_mean", "age", "is_female", "occupation"},
        "item": {"release_year", "release_age_years", "tag_count", "tag_diversity", "genre_count"},
    }
    for kind, names in (("user", features.layout.user_names), ("item", features.layout.item_names)):
        same = [name not in needs_more[kind] for name in names]
        assert rows[kind][:, same] == pytest.approx(expected[kind][:, same], rel=1e-6)
        assert set(np.unique(filled(rows[kind][:, np.invert(same)], np.float32(0)))) == {0.0}


@pytest.mark.parametrize("shape", ["ml-100k", "ml-1m"])
def test_demographics_as_releases_tell_them(shape: str) -> None:
    """ML-100K names occupations, ML-1M numbers them; both are text, in any order of columns and users."""
    occupations = ["writer", "doctor", "writer", "engineer"] if shape == "ml-100k" else ["20", "10", "20", "15"]
    # The last of them has rated nothing; the number of an occupation must not depend on who has.
    users = pd.DataFrame({"user_id": [3, 1, 2, 9], "gender": ["F", "M", "F", "M"], "age": [18, 35, 50, 40]})
    features = features_as_of(replace(small_world(), users=users.assign(occupation=occupations, zip="1")))
    columns = [features.layout.user_names.index(name) for name in ("age", "is_female", "occupation")]
    expected: npt.NDArray[np.float64] = np.array([[35, 0, 0], [50, 1, 2], [18, 1, 2], [nan, nan, nan]])
    np.testing.assert_array_equal(features.user[:, columns], expected)


def test_text_ids_are_ids() -> None:
    world = small_world()
    text = replace(
        world,
        **{
            name: (frame := getattr(world, name)).assign(
                **{key: "n" + frame[key].astype(str) for key in ("user_id", "item_id") if key in frame}
            )
            for name in ("ratings", "items", "genres", "tags", "users")
        },
    )
    numbers, texts = features_as_of(world), features_as_of(text)
    assert texts.users.ids.tolist() == ["n1", "n2", "n3", "n4"]
    np.testing.assert_array_equal(texts.user, numbers.user)
    np.testing.assert_array_equal(texts.item, numbers.item)


def test_no_rating_no_features() -> None:
    nothing = Interactions(small_world().ratings.iloc[:0])
    with pytest.raises(DataError, match="no rating"):
        features_as_of(nothing)
    assert features_as_of(nothing, AS_OF).user.shape == (0, 20)


def test_version_tells_ratings_apart_but_not_their_order() -> None:
    world = small_world()
    layout = features_as_of(world).layout
    version = features_version(world, layout)
    assert features_version(world.take(np.arange(7)[::-1]), layout) == version
    assert features_version(world.take(np.arange(6)), layout) != version
    assert features_version(replace(world, ratings=world.ratings.assign(rating=np.float32(3))), layout) != version


def test_version_tells_apart_what_is_known_of_items_and_users() -> None:
    """Else features of mended years, genres or ages would be taken for those a model learned from."""
    world = small_world()
    layout = features_as_of(world).layout
    reordered = replace(world, genres=world.genres[::-1], items=world.items[::-1], users=world.users[::-1])
    assert features_version(reordered, layout) == features_version(world, layout)
    assert features_version(replace(world, items=world.items.assign(title="?")), layout) == features_version(
        world, layout
    )
    others = [
        replace(world, items=world.items.assign(year=pd.array([1991, 2000, None, 1950], dtype="Int16"))),
        replace(world, genres=world.genres.assign(item_id=[10, 10, 30, 40])),
        replace(world, users=world.users.assign(age=[25, 53, 18])),
        replace(world, users=world.users.assign(gender=["F", "F", "M"])),
        replace(world, users=world.users.assign(occupation=["artist", "other", "writer"])),
        replace(world, users=world.users.drop(columns=["age", "gender", "occupation"])),
        replace(world, users=world.users.iloc[:0]),
    ]
    assert len({features_version(one, layout) for one in [world, *others]}) == len(others) + 1
