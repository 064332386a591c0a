"""docs/FEATURES.md says what the catalogue says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from feature_repo import catalogue
from feature_repo.catalogue import Feature

DOCUMENT = Path(catalogue.__file__).parents[1] / "docs" / "FEATURES.md"


def table(features: Sequence[Feature]) -> str:
    rows = [f"| `{one.name}` | {one.default:g} | {one.meaning} |" for one in features]
    return "\n".join(["| feature | default | meaning |", "|---|---:|---|", *rows])


@pytest.mark.parametrize(
    "features",
    [
        catalogue.USER_FEATURES,
        catalogue.USER_GENRE_FEATURES,
        catalogue.ITEM_FEATURES,
        catalogue.ITEM_GENRE_FEATURES,
        catalogue.CROSS_FEATURES,
    ],
)
def test_tables_are_the_catalogue(features: tuple[Feature, ...]) -> None:
    assert table(features) in DOCUMENT.read_text(encoding="utf-8"), f"write into docs/FEATURES.md:\n{table(features)}"


def test_constants_are_the_catalogues() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"at least {catalogue.LIKED_RATING:g} stars" in text
    assert f"over {catalogue.SESSION_GAP_S // 60} minutes" in text
