"""The list of a variant, and what stands in for it where its server fails."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from core.errors import ServerError
from serving.metrics import PolicyMetrics
from serving.model_client import Listing, ModelClient
from serving.policy_requests import ChooseRequest
from serving.routing import ActiveRoute, Assignment, Contestant

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A list and how it came about.

    Attributes:
        listing: Of the variant, or of the control that stood in; without items where nobody could give one.
        latency_ms: How long the variant's own server took to answer or to fail.
        error: It failed.
        trouble: Why there is no list at all.
    """

    listing: Listing
    latency_ms: float
    error: bool = False
    trouble: ServerError | None = None


class Lists:
    """Asks the variants' model servers. Make it inside the event loop that uses it; ``close`` it.

    Args:
        metrics: Counts failed calls.
        model_timeout_s: A model server that has not answered after this has failed.
    """

    def __init__(self, metrics: PolicyMetrics, *, model_timeout_s: float) -> None:
        self._metrics = metrics
        self._models = ModelClient(model_timeout_s)

    async def best(self, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest) -> Answer:
        """The variant's list; the control's where another variant fails; none where the control fails too."""
        start = time.perf_counter()
        try:
            return Answer(await self._ask(assigned.server, assigned.variant, asked), _ms_since(start))
        except ServerError as error:
            trouble = error
        latency_ms = _ms_since(start)
        control = active.contestants[active.control]
        if assigned.server != control:
            try:
                return Answer(await self._ask(control, active.control, asked), latency_ms, error=True)
            except ServerError as error:
                trouble = error
        return Answer(Listing([], []), latency_ms, error=True, trouble=trouble)

    async def ready(self, active: ActiveRoute) -> None:
        """Return if the control's server says that it is ready.

        Raises:
            ServerError: It does not.
        """
        await self._models.ready(active.contestants[active.control])

    async def close(self) -> None:
        """Close the connections."""
        await self._models.close()

    async def _ask(self, server: Contestant, variant: str, asked: ChooseRequest) -> Listing:
        try:
            return await self._models.recommend(server, asked.user_id, asked.k)
        except ServerError as error:
            cause = "late" if isinstance(error.__cause__, TimeoutError) else "failed"
            self._metrics.model_errors.labels(variant, cause).inc()
            _log.warning("%s failed: %s", variant, error)
            raise


def _ms_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
