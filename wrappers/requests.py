"""What a recommender is asked: requests as they come over HTTP or in a DataFrame, checked and columnar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.errors import BadInput
from core.shown import shown
from feature_repo.catalogue import FeatureLayout
from wrappers.feature_rows import GivenFeatures, RowSource, parse_features
from wrappers.reason_words import LANGUAGES

DEFAULT_K = 10
MAX_K = 1000
FIELDS = ("user_id", "k", "exclude_items", "explain")
#: A further field, of models that rank on features.
FEATURES = "features"

Id = int | str


class Requests(NamedTuple):
    """Requests, one position each.

    Attributes:
        user_ids: Whom to recommend to.
        ks: How many items each wants, 1 … ``MAX_K``.
        exclude: Item ids that must not be recommended to each; unknown ones are ignored.
        features: What each brought of its user; empty where the model needs no features.
        languages: In which language each wants a reason for every item; None where it wants none.
    """

    user_ids: list[Id]
    ks: list[int]
    exclude: list[list[Id]]
    features: list[GivenFeatures]
    languages: list[str | None]

    def of_length(self, k: int) -> tuple[list[int], Requests]:
        """Positions of the requests for lists of k items, and those requests."""
        places = [place for place, wanted in enumerate(self.ks) if wanted == k]
        return places, Requests(*([field[place] for place in places] if field else [] for field in self))


def parse_requests(
    input_data: pd.DataFrame | Sequence[Mapping[str, Any]], layout: FeatureLayout | None = None
) -> Requests:
    """Check requests.

    Args:
        input_data: ``{"user_id": 17, "k": 10, "exclude_items": [1, 2]}`` each, or a DataFrame of those columns.
            ``user_id`` must be there; ``k`` defaults to ``DEFAULT_K``; missing values count as not given.
            ``explain`` names the language of reasons, true means English, false none. With a layout also
            ``features``, as :func:`wrappers.feature_rows.parse_features` takes it; null is not the same as not given
            there.
        layout: Of the features that the model needs; None where it needs none: the field is refused then.

    Returns:
        The requests in the order given; empty for empty input.

    Raises:
        BadInput: One line naming the request's position, the field, what was given and what is allowed.
    """
    rows: Any = input_data.to_dict("records") if isinstance(input_data, pd.DataFrame) else input_data
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Sequence):
        raise BadInput(f"input == {shown(rows)}, must be a list of requests like {{'user_id': 17, 'k': 10}}")
    fields = FIELDS if layout is None else (*FIELDS, FEATURES)
    user_ids, ks, exclude, features, languages = [], [], [], [], []
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BadInput(f"request {place} == {shown(row)}, must be an object like {{'user_id': 17, 'k': 10}}")
        for field in row:
            if field not in fields:
                raise BadInput(f"request {place}: unknown field {shown(field)}; known: {', '.join(fields)}")
        user_ids.append(_id(row.get("user_id"), f"request {place}: user_id"))
        ks.append(_k(row.get("k"), place))
        exclude.append(_exclude(row.get("exclude_items"), place))
        if layout is not None:
            features.append(_features(row, layout, place))
        languages.append(_language(row.get("explain"), place))
    return Requests(user_ids, ks, exclude, features, languages)


def _id(value: Any, what: str) -> Id:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, Integral) and not isinstance(value, bool | np.bool_):
        return int(value)
    raise BadInput(f"{what} == {shown(value)}, must be an integer or a text that is not empty")


def _k(value: Any, place: int) -> int:
    if _is_missing(value):
        return DEFAULT_K
    # A DataFrame with a missing k holds the others as floats.
    whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if not whole or isinstance(value, bool | np.bool_) or not 1 <= value <= MAX_K:
        raise BadInput(f"request {place}: k == {shown(value)}, must be an integer 1 … {MAX_K}")
    return int(value)


def _exclude(value: Any, place: int) -> list[Id]:
    if _is_missing(value):
        return []
    values = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(values, list | tuple):
        raise BadInput(f"request {place}: exclude_items == {shown(value)}, must be a list of item ids")
    return [_id(item, f"request {place}: exclude_items") for item in values]


def _language(value: Any, place: int) -> str | None:
    if _is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return LANGUAGES[0] if value else None
    if isinstance(value, str) and value in LANGUAGES:
        return value
    known = ", ".join(map(repr, LANGUAGES))
    raise BadInput(f"request {place}: explain == {shown(value)}, must be true, false or one of {known}")


def _features(row: Mapping[str, Any], layout: FeatureLayout, place: int) -> GivenFeatures:
    # A DataFrame holds NaN where a row does not have the column.
    if FEATURES not in row or (row[FEATURES] is not None and _is_missing(row[FEATURES])):
        return RowSource.TRAINING
    return parse_features(row[FEATURES], layout, f"request {place}: {FEATURES}")


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
