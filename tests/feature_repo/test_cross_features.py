"""Features of user and item together, against a loop over genres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from feature_repo.catalogue import CROSS_FEATURES, ITEM_FEATURES, USER_FEATURES, FeatureLayout, filled
from feature_repo.cross import cross_features


def naive(layout: FeatureLayout, user: npt.NDArray[np.float32], item: npt.NDArray[np.float32]) -> list[float]:
    of_user = dict(zip(layout.user_names, user.tolist(), strict=True))
    of_item = dict(zip(layout.item_names, item.tolist(), strict=True))
    has = [genre for genre in layout.genres if of_item[f"has_genre {genre}"]]
    shares, lifts = ([of_user[f"{kind} {genre}"] for genre in has] for kind in ("genre_share", "genre_lift"))
    return [
        sum(shares) / len(has) if has else 0.0,
        sum(lifts) / len(has) if has else 0.0,
        max(lifts) if has else 0.0,
        of_item["quality"] - of_user["rating_mean"],
        of_item["popularity"] - of_user["item_popularity_mean"],
        of_item["release_year"] - of_user["item_year_mean"],
    ]


def rows(layout: FeatureLayout, n: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(n)
    user = rng.normal(size=(n, len(layout.user_names))).astype(np.float32)
    item = rng.normal(size=(n, len(layout.item_names))).astype(np.float32)
    # A third of the items has no genre at all.
    genres = rng.random((n, len(layout.genres))) < np.where(np.arange(n) % 3 == 0, 0.0, 0.4)[:, None]
    item[:, len(ITEM_FEATURES) :] = genres
    return user, item


@pytest.mark.parametrize("genres", [(), ("Drama",), tuple("abcdefg")])
def test_equals_the_loop(genres: tuple[str, ...]) -> None:
    layout = FeatureLayout(genres)
    user, item = rows(layout, 30)
    expected = [naive(layout, one, other) for one, other in zip(user, item, strict=True)]
    found = cross_features(layout, user, item)
    assert found.dtype == np.float32
    assert found.shape == (30, len(CROSS_FEATURES))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_one_user_with_every_item() -> None:
    layout = FeatureLayout(("a", "b", "c"))
    user, item = rows(layout, 9)
    repeated = cross_features(layout, np.repeat(user[:1], 9, axis=0), item)
    np.testing.assert_allclose(cross_features(layout, user[0], item), repeated, rtol=1e-6, atol=1e-7)
    assert cross_features(layout, user[0], item[:0]).shape == (0, len(CROSS_FEATURES))


def test_defaults_are_in_range_and_fill_what_is_missing() -> None:
    layout = FeatureLayout(("a",))
    missing = np.full((2, len(layout.user_names)), np.nan, dtype=np.float32)
    missing[1, 0] = 7
    found = filled(missing, layout.user_defaults)
    assert found[0].tolist() == [*(np.float32(one.default) for one in USER_FEATURES), 0, 0]
    assert found[1, 0] == 7
    assert np.isfinite(cross_features(layout, found, np.tile(layout.item_defaults, (2, 1)))).all()
