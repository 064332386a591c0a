"""All models side by side: as a page for people, as JSON and CSV for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evaluation.pairwise import pairwise_differences
from evaluation.report import EvaluatedModel, evaluation_html
from evaluation.report_tables import ComparedPair
from experiments.inference.multiplicity import holm
from tracking.registry import CHALLENGER, CHAMPION, ModelVersion
from wrappers.contestants import Contestant
from wrappers.offline import figures_of, metric_name, number_or_none, segment_rows
from wrappers.selection import Selection

#: Seed of the comparisons: the same figures give the same intervals and p-values.
_SEED = 0


@dataclass(frozen=True)
class Leaderboard:
    """The contestants after the choice.

    Attributes:
        contestants: Everyone, champion and challenger among them.
        selection: Who was chosen and why.
        metric: What orders them and what the gate judged.
        versions: run_id to the version in the model registry.
    """

    contestants: Sequence[Contestant]
    selection: Selection
    metric: str
    versions: Mapping[str, ModelVersion]

    def page(self, facts: Mapping[str, str]) -> str:
        """HTML, best model first, with the gate's reasons and everyone's difference from the champion.

        Args:
            facts: What else the reader should know.
        """
        champion = self.selection.champion
        return evaluation_html(
            [
                EvaluatedModel(
                    one.name,
                    one.evaluation.summaries,
                    one.evaluation.coverage,
                    self._role(one),
                    one.evaluation.details,
                )
                for one in self.contestants
            ],
            k=champion.evaluation.config.k,
            primary=self.metric,
            verdict=self.selection.verdict,
            differences={
                one.name: one.evaluation.per_user[self.metric] - champion.evaluation.per_user[self.metric]
                for one in self.contestants
                if one.run_id != champion.run_id
            },
            pairs=self.pairs,
            facts={"Chosen": self.selection.reason, **facts},
        )

    @cached_property
    def pairs(self) -> list[ComparedPair]:
        """Every two models, on the users that all have a value for, p-values corrected for all of them together."""
        values = {one.name: one.evaluation.per_user[self.metric] for one in self.contestants}
        found = pairwise_differences(values, seed=_SEED)
        corrected = holm([one.pvalue for one in found]).tolist()
        return [ComparedPair(one, p) for one, p in zip(found, corrected, strict=True)]

    def rows(self) -> list[dict[str, Any]]:
        """A flat row per contestant, best first."""
        rows = [
            {
                "name": one.name,
                "model": one.model,
                "role": self._role(one),
                "version": self.versions[one.run_id].version,
                "run_id": one.run_id,
                "refitted": one.refitted,
                **figures_of(one.evaluation),
            }
            for one in self.contestants
        ]
        primary = metric_name(self.metric, self.selection.champion.evaluation.config.k)
        return sorted(rows, key=lambda row: -row[primary])

    def document(self) -> dict[str, Any]:
        """The rows and the gate's verdict as JSON values."""
        verdict = self.selection.verdict
        return {
            "metric": verdict.metric,
            "threshold": verdict.threshold,
            "gate_winner": verdict.winner,
            "reason": self.selection.reason,
            "candidates": {one.name: {"passes": one.passes, "reason": one.reason} for one in verdict.candidates},
            "models": self.rows(),
            "pairs": [self._pair(pair) for pair in self.pairs],
            "segments": [{"name": one.name, **row} for one in self.contestants for row in segment_rows(one.evaluation)],
        }

    def _pair(self, pair: ComparedPair) -> dict[str, Any]:
        """One comparison as JSON values; None where there is no figure."""
        found = {
            name: number_or_none(value) if isinstance(value, float) else value
            for name, value in pair.difference._asdict().items()
        }
        return {**found, "pvalue_holm": number_or_none(pair.corrected)}

    def _role(self, one: Contestant) -> str:
        challenger = self.selection.challenger
        if one.run_id == self.selection.champion.run_id:
            return CHAMPION
        return CHALLENGER if challenger is not None and one.run_id == challenger.run_id else ""
