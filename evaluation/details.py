"""What is known of a model offline beside its ranking metrics: qualities of its lists, curves, segments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.beyond_accuracy import popularity_lift
from evaluation.calibration import Foretold, calibration
from evaluation.ranking_curves import RankingCurves
from evaluation.segments import Segment

FloatArray = npt.NDArray[np.float64]

#: Of each user's list; what they are is told in ``evaluation.beyond_accuracy``. ``arp`` is the average popularity,
#: ``profile_popularity`` that of what the user rated.
LIST_QUALITIES = ("diversity", "novelty", "serendipity", "arp", "profile_popularity")
#: What segments are judged by.
SEGMENT_METRICS = ("ndcg", "recall")


@dataclass(frozen=True)
class EvaluationDetails:
    """Figures of one model; rows of arrays are the test users.

    Attributes:
        qualities: Each of ``LIST_QUALITIES`` to (n_users,) float64, NaN where it is not defined.
        gini: How unequally the lists spread exposure over the catalogue.
        curves: Of the whole ranking.
        segments: Segment to each of ``SEGMENT_METRICS`` to (n_users,) float64, NaN for users it is not defined for.
        foretold: Probabilities against what happened; None where the model gives none.
        rating_errors: ``rmse`` and ``mae`` of foretold ratings; empty where the model foretells none.
    """

    qualities: Mapping[str, FloatArray]
    gini: float
    curves: RankingCurves
    segments: Mapping[Segment, Mapping[str, FloatArray]]
    foretold: Foretold | None = None
    rating_errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_user(self) -> dict[str, FloatArray]:
        """What has a mean over users and an interval: qualities of lists, ``auc``, ``average_precision``."""
        return {**self.qualities, "auc": self.curves.auc, "average_precision": self.curves.average_precision}

    def at_k(self) -> dict[str, float]:
        """Means over users, and the lists' other figures, that depend on the length of the lists; finite ones only."""
        means = {name: mean_of(self.qualities[name]) for name in LIST_QUALITIES if name != "profile_popularity"}
        lift = popularity_lift(self.qualities["arp"], self.qualities["profile_popularity"])
        return _finite({**means, "gini": self.gini, "popularity_lift": lift})

    def whole(self) -> dict[str, float]:
        """Figures that do not: of the whole ranking, of probabilities, of foretold ratings; finite ones only."""
        found = {"auc": mean_of(self.curves.auc), "average_precision": mean_of(self.curves.average_precision)}
        if self.foretold is not None:
            told = calibration(self.foretold)
            found |= {"ece": told.ece, "brier": told.brier}
        return _finite({**found, **self.rating_errors})

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as named arrays of numbers and text."""
        segments = list(self.segments)
        stored = {
            **{f"quality.{name}": values for name, values in self.qualities.items()},
            "gini": np.array(self.gini),
            **{f"curves.{name}": np.asarray(values) for name, values in self.curves._asdict().items()},
            "segment.kind": np.array([segment.kind for segment in segments], dtype=str),
            "segment.name": np.array([segment.name for segment in segments], dtype=str),
            **{
                f"segment.{metric}": np.array([self.segments[segment][metric] for segment in segments])
                for metric in SEGMENT_METRICS
            },
            **{f"rating.{name}": np.array(value) for name, value in self.rating_errors.items()},
        }
        if self.foretold is not None:
            stored |= {f"foretold.{name}": np.asarray(values) for name, values in self.foretold._asdict().items()}
        return stored

    @classmethod
    def from_arrays(cls, stored: Mapping[str, npt.NDArray[Any]]) -> EvaluationDetails:
        """What ``arrays`` gave.

        Raises:
            KeyError: An array is missing.
        """
        kinds, names = stored["segment.kind"].tolist(), stored["segment.name"].tolist()
        foretold = [stored[f"foretold.{name}"] for name in Foretold._fields if f"foretold.{name}" in stored]
        return cls(
            qualities={name: stored[f"quality.{name}"] for name in LIST_QUALITIES},
            gini=stored["gini"].item(),
            curves=RankingCurves(*(_or_number(stored[f"curves.{name}"]) for name in RankingCurves._fields)),
            segments={
                Segment(kind, name): {metric: stored[f"segment.{metric}"][place] for metric in SEGMENT_METRICS}
                for place, (kind, name) in enumerate(zip(kinds, names, strict=True))
            },
            foretold=Foretold(*map(_or_number, foretold)) if foretold else None,
            rating_errors={
                name.removeprefix("rating."): value.item()
                for name, value in stored.items()
                if name.startswith("rating.")
            },
        )


def mean_of(values: FloatArray) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _or_number(array: npt.NDArray[Any]) -> Any:
    """A single number as such."""
    return array.item() if array.ndim == 0 else array
