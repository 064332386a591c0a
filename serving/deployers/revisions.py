"""What KServe says of an InferenceService, read together with its revisions; and what to ask for next. Pure.

The status trails the object: right after a write it still tells of the revision before. So nothing here goes by
``observedGeneration`` (in Knative mode that is another object's generation) or by names alone: a revision is the one
that was asked for only if it carries that write's number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from serving.deployers.base import Deployment
from serving.deployers.inference_service import (
    MOST_CANARY_PERCENT,
    WRITE,
    Predictor,
    model_uri_of,
    predictor_of,
)

LATEST, PREV = "latest", "prev"


@dataclass(frozen=True)
class Revision:
    """One revision as it was made; it never changes.

    Attributes:
        name: Its name, e.g. ``recommender-predictor-00002``.
        model_uri: What it serves.
        write: The write it was made of.
    """

    name: str
    model_uri: str
    write: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Revision:
        """Read a ``serving.knative.dev/v1`` Revision."""
        metadata = document["metadata"]
        return cls(
            name=metadata["name"],
            model_uri=model_uri_of(document["spec"].get("containers", [])) or "",
            write=metadata.get("annotations", {}).get(WRITE, ""),
        )


@dataclass(frozen=True)
class Target:
    """A share of direct traffic, and the address that gets nothing else.

    Attributes:
        revision: Who answers; None where it is gone.
        percent: Its share, 0 … 100.
        url: Its own address; "" where it has none yet.
    """

    revision: Revision | None
    percent: int
    url: str


@dataclass(frozen=True)
class Seen:
    """An InferenceService at one moment.

    Attributes:
        predictor: What it asks for.
        generation: Grows with each change of that.
        created: The newest revision.
        ready: The newest ready one.
        rolled_out: The one that last had all direct traffic.
        targets: By tag, ``latest`` and ``prev``.
        url: The address whose traffic is split; "" until there is one.
        routes_ready: Whether addresses and shares are in force as told.
        problem: Why the newest revision failed, ``reason: message``; "" while it has not.
    """

    predictor: Predictor
    generation: int
    created: Revision | None
    ready: Revision | None
    rolled_out: Revision | None
    targets: Mapping[str, Target]
    url: str
    routes_ready: bool
    problem: str

    @property
    def asked_for_is_ready(self) -> bool:
        """Whether the revision that the predictor asks for is up."""
        return self.ready is not None and self.ready.write == self.predictor.write

    @property
    def asked_for_failed(self) -> bool:
        """Whether that very revision was made and came to nothing."""
        return self.created is not None and self.created.write == self.predictor.write and bool(self.problem)

    def target(self, tag: str, model_uri: str) -> Target | None:
        """What has the tag, if it has an address and serves this version."""
        found = self.targets.get(tag)
        fits = found is not None and found.url and found.revision is not None and found.revision.model_uri == model_uri
        return found if fits else None


def read(service: Mapping[str, Any], revision: Callable[[str], Revision | None]) -> Seen:
    """Read an object.

    Args:
        service: As the API server gave it.
        revision: Looks a revision up by name; None where it is gone.

    Raises:
        ServerError: Something else wrote it.
    """
    status = service.get("status", {})
    component = status.get("components", {}).get("predictor", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}

    def named(field: str) -> Revision | None:
        return revision(component[field]) if component.get(field) else None

    targets = {}
    for traffic in component.get("traffic", []):
        tag = LATEST if traffic.get("latestRevision") else traffic.get("tag")
        if tag in (LATEST, PREV) and traffic.get("revisionName"):
            url = traffic.get("url", "") if traffic.get("tag") == tag else ""
            targets[tag] = Target(revision(traffic["revisionName"]), traffic.get("percent", 0), url)
    return Seen(
        predictor=predictor_of(service),
        generation=service["metadata"]["generation"],
        created=named("latestCreatedRevision"),
        ready=named("latestReadyRevision"),
        rolled_out=named("latestRolledoutRevision"),
        targets=targets,
        url=component.get("url", ""),
        routes_ready=conditions.get("PredictorRouteReady", {}).get("status") == "True",
        problem=_problem(conditions, status.get("modelStatus", {})),
    )


def wished(seen: Seen) -> Deployment:
    """The deployment that the object amounts to."""
    asked = seen.predictor
    if asked.percent is None:
        return Deployment(asked.model_uri)
    return Deployment(asked.stable) if asked.spare else Deployment(asked.stable, asked.model_uri, asked.percent)


def next_predictor(seen: Seen | None, wish: Deployment) -> Predictor | None:
    """What to ask for next on the way to a wish; None where nothing is to be written now.

    The way never gives a version that is not yet ready, or was not asked for, direct traffic: a candidate comes only
    after all traffic rests on the stable version; another stable version comes as a candidate at 0 % first.
    """
    stable, candidate = wish.stable, candidate_of(wish)
    if seen is None:
        return Predictor(stable, stable)
    now = seen.predictor
    share = None if candidate is None else min(wish.percent, MOST_CANARY_PERCENT)
    if now.percent is None:
        if now.model_uri == stable and candidate is not None and _rests_on(seen, stable):
            return Predictor(candidate, stable, share)
        if now.model_uri == stable:
            return None
        # Knative goes on with the revision that has all traffic until the new one is ready.
        return Predictor(stable, stable)
    if now.stable == stable:
        if candidate is None:
            return None if now.spare and now.percent == 0 else Predictor(stable, stable, 0, spare=True)
        if now.model_uri != candidate or now.spare:
            # Until it is ready, its share would go to the candidate before it.
            return Predictor(candidate, stable, 0)
        raised = share is not None and share > now.percent
        return None if now.percent == share or (raised and not seen.asked_for_is_ready) else replace(now, percent=share)
    if now.model_uri == stable and not now.spare:
        return replace(now, percent=None) if seen.asked_for_is_ready else None
    return Predictor(stable, now.stable, 0)


def arrived(seen: Seen, wish: Deployment) -> bool:
    """Whether the wish is fulfilled: servers ready, addresses there, shares of direct traffic in force."""
    if not seen.routes_ready or next_predictor(seen, wish) is not None:
        return False
    now, candidate = seen.predictor, candidate_of(wish)
    if now.percent is None:
        return candidate is None and _rests_on(seen, wish.stable)
    stays = seen.target(PREV, wish.stable)
    if now.stable != wish.stable or stays is None or stays.percent != 100 - now.percent:
        return False
    if candidate is None:
        return True
    comes = seen.target(LATEST, candidate)
    return (
        comes is not None and seen.asked_for_is_ready and comes.revision == seen.ready and comes.percent == now.percent
    )


def candidate_of(wish: Deployment) -> str | None:
    """The candidate, where it is another version than the stable one: the same one needs no server of its own."""
    return None if wish.candidate == wish.stable else wish.candidate


def _rests_on(seen: Seen, model_uri: str) -> bool:
    """Whether the predictor's own revision serves this version and has all direct traffic, in KServe's books too."""
    target = seen.targets.get(LATEST)
    return (
        seen.predictor.model_uri == model_uri
        and seen.asked_for_is_ready
        and seen.rolled_out == seen.ready
        and target is not None
        and (target.percent, target.revision) == (100, seen.ready)
        and bool(seen.url)
    )


def _problem(conditions: Mapping[str, Mapping[str, Any]], model: Mapping[str, Any]) -> str:
    condition = conditions.get("PredictorConfigurationReady", {})
    if condition.get("status") != "False":
        return ""
    parts = [
        condition.get("reason", ""),
        condition.get("message", ""),
        model.get("lastFailureInfo", {}).get("message", ""),
    ]
    return ": ".join(" ".join(part.split()) for part in parts if part)
