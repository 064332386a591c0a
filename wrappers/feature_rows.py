"""A user's features as a request brings them, and as the ranking gets them: which row, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from core.errors import BadInput, ConfigError
from core.ids import UNKNOWN
from core.shown import shown
from feature_repo.catalogue import USER_FEATURES, USER_GENRE_FEATURES, FeatureLayout

_SCALAR_PLACE = {feature.name: place for place, feature in enumerate(USER_FEATURES)}
#: No feature comes near it, and products and sums of what is no larger stay finite in float32.
_LARGEST = 1e12
_LIST_NAMES = tuple(feature.name for feature in USER_GENRE_FEATURES)


class RowSource(StrEnum):
    """What a user was ranked on, as an answer tells it."""

    TRAINING = "training"
    """The row that was stored at training time: the request brought none."""
    GIVEN = "given"
    """The row that the request brought."""
    PARTIAL = "partial"
    """That row, with defaults where it lacks what no row lacked in training."""
    DEFAULT = "default"
    """The catalogue's defaults: nothing is known of the user."""


#: ``RowSource.TRAINING`` where a request brought nothing, None where it said that there is no row, else the row.
GivenFeatures = npt.NDArray[np.float32] | RowSource | None


class StoredRows:
    """The rows of the training users, as they were at training time.

    Args:
        rows: (n_users, n_user_features) float32, NaN = missing.
        layout: Of the rows.

    Attributes:
        rows: As given.
        defaults: (n_user_features,) float32, what stands in for NaN.
        never_missing: (n_user_features,) bool, True where every training user has a number.
    """

    def __init__(self, rows: npt.NDArray[np.float32], layout: FeatureLayout) -> None:
        self.rows, self.defaults = rows, layout.user_defaults
        self.never_missing = ~np.isnan(rows).any(axis=0)


class UserRows(NamedTuple):
    """The features of n users.

    Attributes:
        rows: (n, n_user_features) float32 without NaN.
        sources: Where each comes from.
        given: (n,) bool, True where a request brought the row.
    """

    rows: npt.NDArray[np.float32]
    sources: list[RowSource]
    given: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        features: Sequence[GivenFeatures] | None,
        user_index: npt.NDArray[np.int64],
        stored: StoredRows,
    ) -> Self:
        """The row of each user.

        Args:
            features: What each request brought; None: nobody brought anything.
            user_index: (n,) int64, ``UNKNOWN`` (-1) for users that have no stored row.
            stored: The rows of the training users.

        Raises:
            ConfigError: ``features`` has not one entry per user.

        >>> nobody = StoredRows(np.empty((0, 20), np.float32), FeatureLayout(genres=()))
        >>> [str(source) for source in UserRows.of([None], np.array([-1]), nobody).sources]
        ['default']
        """
        n = len(user_index)
        if features is not None and len(features) != n:
            raise ConfigError(f"features has {len(features)} entries, must have one per user: {n}")
        brought: Sequence[GivenFeatures] = [RowSource.TRAINING] * n if features is None else features
        rows = np.full((n, stored.rows.shape[1]), np.nan, np.float32)
        brought_rows = [one for one in brought if isinstance(one, np.ndarray)]
        given = np.array([isinstance(one, np.ndarray) for one in brought], np.bool_)
        if brought_rows:
            rows[given] = brought_rows
        own = np.array([one is RowSource.TRAINING for one in brought], np.bool_) & (user_index != UNKNOWN)
        if len(brought_rows) < n:
            rows[own] = stored.rows[user_index[own]]
        missing = np.isnan(rows)
        partial = given & (missing & stored.never_missing).any(axis=1)
        sources = [_source(*one) for one in zip(own.tolist(), given.tolist(), partial.tolist(), strict=True)]
        return cls(np.where(missing, stored.defaults, rows), sources, given)

    def part(self, start: int, stop: int) -> Self:
        """Those of users start … stop - 1."""
        return type(self)(self.rows[start:stop], self.sources[start:stop], self.given[start:stop])


def _source(own: bool, given: bool, partial: bool) -> RowSource:
    if own:
        return RowSource.TRAINING
    if given:
        return RowSource.PARTIAL if partial else RowSource.GIVEN
    return RowSource.DEFAULT


def parse_features(value: Any, layout: FeatureLayout, what: str) -> GivenFeatures:
    """The row that a request's field ``features`` holds.

    Args:
        value: None: there is no row. An array (n_user_features,): the row itself, NaN = missing. A mapping of scalar
            features to a number or null, and of ``genre_share`` and ``genre_lift`` to a list of one per genre or
            null; what it does not name is missing.
        layout: The model's.
        what: Names the field in messages, e.g. ``request 0: features``.

    Raises:
        BadInput: One line: a name that no feature has, a wrong length, or what is no number of at most 1e12 in size.
    """
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return _checked_row(value, layout, what)
    if not isinstance(value, Mapping):
        raise BadInput(f"{what} is a {type(value).__name__}, must be an object of feature names and numbers, or null")
    row = np.full(len(layout.user_names), np.nan, np.float32)
    for name, given in value.items():
        if given is None:
            continue
        if name in _SCALAR_PLACE:
            row[_SCALAR_PLACE[name]] = _number(given, f"{what}.{name}")
        elif name in _LIST_NAMES:
            begin = len(USER_FEATURES) + _LIST_NAMES.index(name) * len(layout.genres)
            row[begin : begin + len(layout.genres)] = _numbers(given, layout, f"{what}.{name}")
        else:
            known = ", ".join((*_SCALAR_PLACE, *_LIST_NAMES))
            raise BadInput(f"{what}: unknown feature {shown(name)}; known: {known}")
    return row


def _checked_row(row: npt.NDArray[Any], layout: FeatureLayout, what: str) -> npt.NDArray[np.float32]:
    n = len(layout.user_names)
    if row.shape != (n,) or row.dtype.kind != "f":
        raise BadInput(f"{what} is an array of {row.dtype} of shape {row.shape}, must be floats of shape ({n},)")
    if np.fmax.reduce(np.abs(row), initial=0) > _LARGEST:
        raise BadInput(f"{what} holds a number beyond {_LARGEST:g} in size; NaN where one is missing")
    return row.astype(np.float32, copy=False)


def _numbers(given: Any, layout: FeatureLayout, what: str) -> list[float]:
    n = len(layout.genres)
    if not isinstance(given, list | tuple) or len(given) != n:
        raise BadInput(f"{what} must be a list of {n} numbers, one per genre: {', '.join(layout.genres) or 'none'}")
    return [np.nan if one is None else _number(one, f"{what}[{place}]") for place, one in enumerate(given)]


def _number(given: Any, what: str) -> float:
    # Compared before it is converted: no float is as large as JSON's integers can be.
    if isinstance(given, Real) and not isinstance(given, bool | np.bool_) and abs(given) <= _LARGEST:
        return float(given)
    raise BadInput(f"{what} == {shown(given)}, must be a number of at most {_LARGEST:g} in size, or null")
