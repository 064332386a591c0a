"""Who gets which variant, as an experiment spec says it: by canary, by a fixed split, or by a bandit."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator

from experiments.allocation import Holdout
from experiments.context import CategoryFeature, ContextFeature, NumberFeature
from experiments.namespaces import Namespace
from experiments.spec_part import Part

#: Step of the sessions that a fixed split dealt, of those that a bandit chose, and of those that are in neither and
#: never analysed (units that do not take part, testers, the time of a pause), in the event log.
FIXED_LANE, BANDIT_LANE, OUTSIDE = 0, 1, 2
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class NamespacePart(Part):
    """The part of a namespace that the experiment may have: units of [start, end) of [0, 1)."""

    id: Annotated[str, Field(min_length=1)]
    start: Share
    end: Share

    def namespace(self) -> Namespace:
        """As the allocation takes it.

        Raises:
            ConfigError: The range is empty.
        """
        return Namespace(self.id, self.start, self.end)


class HoldoutPart(Part):
    """Units kept out of every experiment of a layer; give each of its experiments the same one."""

    salt: Annotated[str, Field(min_length=1)]
    share: Share

    def holdout(self) -> Holdout:
        """As the allocation takes it."""
        return Holdout(self.salt, self.share)


class RolloutTraffic(Part):
    """The challenger by canary, beside a concurrent control as large: the steps are under ``rollout``."""

    policy: Literal["rollout"] = "rollout"


class _Dealt(Part):
    coverage: Share = 1.0
    """Share of units that take part; it may only rise while the experiment runs."""
    namespace: NamespacePart | None = None
    holdouts: tuple[HoldoutPart, ...] = ()
    forced: dict[str, str] = {}
    """Variant by unit, for testers, who are not analysed."""
    bucket_version: Annotated[int, Field(ge=0)] = 0
    """Raised to deal all units anew."""
    min_bucket_version: Annotated[int, Field(ge=0)] = 0
    """Units recorded under an older version get no variant."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Share of each variant, of any sum; empty: equal shares."""


class FixedTraffic(_Dealt):
    """A salted hash decides, for good: an A/B/n test."""

    policy: Literal["fixed"] = "fixed"


class BanditTraffic(_Dealt):
    """A bandit decides by what it has learned so far; ``weights`` are those of the fixed lane beside it."""

    policy: Literal["bandit"] = "bandit"
    algorithm: str = "thompson_beta"
    """Name in experiments/bandits/registry.py."""
    options: dict[str, float | int] = {}
    """Of the algorithm, e.g. ``epsilon`` or ``alpha``; also ``burn_in``, ``discount``, ``window``."""
    min_exposure: Share = 0.0
    """Least probability of each variant."""
    context: tuple[Annotated[NumberFeature | CategoryFeature, Field(discriminator="kind")], ...] = ()
    """Features of the request's context, for contextual algorithms."""
    features_version: str = ""
    """Version of the users' features in Redis that fill in keys of the context which a request lacks; empty: none."""
    segment: str = ""
    """Key of the context: a bandit of its own for each value; empty: one for all."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the units whose variant the bandit chooses; the others are dealt a fixed split."""

    @field_validator("context")
    @classmethod
    def _features_differ(cls, given: tuple[ContextFeature, ...]) -> tuple[ContextFeature, ...]:
        keys = [feature.key for feature in given]
        if len(set(keys)) < len(keys):
            raise ValueError(f"features {keys}; each key of the context must be named once")
        return given


Traffic: TypeAlias = Annotated[RolloutTraffic | FixedTraffic | BanditTraffic, Field(discriminator="policy")]


def named_policy(given: Any) -> Any:
    """Refuses a traffic part that says who gets what, but not by which policy.

    Raises:
        ValueError: It names none.
    """
    if isinstance(given, dict) and "policy" not in given:
        raise ValueError("has no policy; set policy to rollout, fixed or bandit")
    return given
