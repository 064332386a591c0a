"""What the policy server tells people about its rollouts: spec, looks, steps, and what they mean in words.

Words are English and Korean, side by side; what is no number is null. Figures and words are those of the report: they
come from the same functions (serving/rollout_so_far.py, experiments/words.py, experiments/report.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine

from events.aggregate import count_orphans
from events.rollouts import RolloutRecord, list_rollouts, load_rollout
from experiments.figures import LANGUAGES, Language
from experiments.key_figures import key_figures
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec, parse_spec
from experiments.words import tell, verdict
from serving.result_documents import look_document, step_document
from serving.rollout_so_far import model_names, result_so_far
from serving.rollout_status import status_of

#: What a document calls it; of others: the spec's ``traffic.policy``.
KIND = "rollout"


@dataclass(frozen=True)
class _Seen:
    """A rollout's result as of one state of its record: it need not be computed again for every reader."""

    updated_at: float
    result: RolloutResult


class RolloutPages:
    """Reads them from the event log; blocks.

    Args:
        engine: The event log.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: dict[str, _Seen] = {}

    def summaries(self) -> list[dict[str, Any]]:
        """Every rollout in a few facts and one sentence, the one begun last first.

        Raises:
            EventLogError: The log cannot be read.
        """
        records = list_rollouts(self._engine)
        # Of the whole log, which takes a while, and the same for every rollout.
        orphans = count_orphans(self._engine) if records else 0
        return [self._summary(record, orphans) for record in records]

    def detail(self, name: str) -> dict[str, Any] | None:
        """One of them with all its looks; None where there is none of that name.

        Raises:
            EventLogError: The log cannot be read.
        """
        record = load_rollout(self._engine, name)
        return None if record is None else self._detail(record)

    def _summary(self, record: RolloutRecord, orphans: int) -> dict[str, Any]:
        status = status_of(self._engine, record, orphans=orphans).as_document()
        result = self._result(record)
        champion, challenger = model_names(record)
        return {
            **status,
            "kind": KIND,
            "step_index": record.step_index,
            "champion": {"model": champion, "version": record.champion_version, "uri": record.champion_uri},
            "challenger": {"model": challenger, "version": record.challenger_version, "uri": record.challenger_uri},
            "started_at": record.created_at,
            "updated_at": record.updated_at,
            "verdict": {language: verdict(result, language) for language in LANGUAGES},
        }

    def _detail(self, record: RolloutRecord) -> dict[str, Any]:
        result, spec = self._result(record), parse_spec(record.spec)
        return {
            **self._summary(record, count_orphans(self._engine)),
            "spec": spec.document(),
            "plant": result.plant,
            "units": result.units,
            "all_units": result.all_units,
            "exposed_units": result.exposed_units,
            "looks": [look_document(look) for look in result.looks],
            "steps": [step_document(step) for step in result.steps],
            "words": {language: _words(result, spec, language) for language in LANGUAGES},
        }

    def _result(self, record: RolloutRecord) -> RolloutResult:
        seen = self._seen.get(record.experiment)
        if seen is None or seen.updated_at != record.updated_at:
            seen = _Seen(record.updated_at, result_so_far(self._engine, record))
            self._seen[record.experiment] = seen
        return seen.result


def _words(result: RolloutResult, spec: ExperimentSpec, language: Language) -> dict[str, Any]:
    figures = [asdict(figure) for figure in key_figures(result, language, spec.analysis.alpha)]
    return {**asdict(tell(result, spec, language)), "figures": figures}
