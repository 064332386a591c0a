"""All models side by side: as a page for people, as JSON and CSV for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.report import EvaluatedModel, evaluation_html
from tracking.registry import CHALLENGER, CHAMPION, ModelVersion
from wrappers.contestants import Contestant
from wrappers.offline import figures_of, metric_name
from wrappers.selection import Selection


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
                EvaluatedModel(one.name, one.evaluation.summaries, one.evaluation.coverage, self._role(one))
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
            facts={"Chosen": self.selection.reason, **facts},
        )

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
        }

    def _role(self, one: Contestant) -> str:
        challenger = self.selection.challenger
        if one.run_id == self.selection.champion.run_id:
            return CHAMPION
        return CHALLENGER if challenger is not None and one.run_id == challenger.run_id else ""
