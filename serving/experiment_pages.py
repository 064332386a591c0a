"""What the policy server tells people about its experiments; read-only, away from the hot path.

    GET /experiments                          every experiment in a few facts and one sentence, the latest first
    GET /experiments/{name}                   one of them: spec, looks, steps, and what they mean in words
    GET /experiments/{name}/users?limit=50    users of its latest sessions

Words are English and Korean, side by side; what is no number is null. Figures and words are those of the report: they
come from the same functions (serving/rollout_so_far.py, experiments/words.py, experiments/report.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BadInput
from events.aggregate import count_orphans
from events.recent import recent_users
from events.rollouts import RolloutRecord, list_rollouts, load_rollout
from experiments.figures import LANGUAGES, Language
from experiments.key_figures import key_figures
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec, parse_spec
from experiments.words import tell, verdict
from serving.http_errors import Json
from serving.result_documents import look_document, step_document
from serving.rollout_so_far import model_names, result_so_far
from serving.rollout_status import status_of

DEFAULT_USERS = 50
MAX_USERS = 1000

Read = TypeVar("Read")


@dataclass(frozen=True)
class _Seen:
    """A rollout's result as of one state of its record: it need not be computed again for every reader."""

    updated_at: float
    result: RolloutResult


class ExperimentPages:
    """The routes.

    Args:
        engine: The event log.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: dict[str, _Seen] = {}
        self._turn = asyncio.Lock()

    def routes(self) -> list[Route]:
        """What the policy server's application adds."""
        return [
            Route("/experiments", self.experiments, methods=["GET"]),
            Route("/experiments/{name}", self.experiment, methods=["GET"]),
            Route("/experiments/{name}/users", self.users, methods=["GET"]),
        ]

    async def experiments(self, _request: Request) -> Response:
        """Every experiment, the one begun last first."""
        return Json({"experiments": await self._read(self._list)})

    async def experiment(self, request: Request) -> Response:
        """One experiment with all its looks."""
        return Json(await self._read(lambda: self._detail(self._record(request.path_params["name"]))))

    async def users(self, request: Request) -> Response:
        """Whom its latest sessions were for, each user once."""
        limit = _limit(request.query_params.get("limit", str(DEFAULT_USERS)))

        def read() -> list[dict[str, Any]]:
            name = self._record(request.path_params["name"]).experiment
            return [user._asdict() for user in recent_users(self._engine, name, limit=limit)]

        return Json({"users": await self._read(read)})

    async def _read(self, read: Callable[[], Read]) -> Read:
        """Read the database in a thread; readers take turns, so that they never take the hot path's."""
        async with self._turn:
            return await asyncio.to_thread(read)

    def _record(self, name: str) -> RolloutRecord:
        record = load_rollout(self._engine, name)
        if record is None:
            known = ", ".join(found.experiment for found in list_rollouts(self._engine)) or "none yet"
            raise HTTPException(404, f"unknown experiment {name[:80]!r}; known: {known}")
        return record

    def _list(self) -> list[dict[str, Any]]:
        # Of the whole log, and the same for every experiment.
        orphans = count_orphans(self._engine)
        return [self._summary(record, orphans) for record in list_rollouts(self._engine)]

    def _summary(self, record: RolloutRecord, orphans: int) -> dict[str, Any]:
        status = status_of(self._engine, record, orphans=orphans).as_document()
        result = self._result(record)
        champion, challenger = model_names(record)
        return {
            **status,
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


def _limit(text: str) -> int:
    # Lengths are checked first: Python refuses to parse numbers of thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_USERS):
        raise BadInput(f"limit == {text[:80]!r}, must be an integer 1 … {MAX_USERS}")
    return int(text)
