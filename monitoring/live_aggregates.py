"""Live traffic, from the event log to MLflow: added up by commit in the database, told by day and strategy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from events.experiments import list_experiments
from events.live_traffic import JOB, CountedTraffic, Traffic, count_new, mark_told, untold
from events.worker_jobs import load_job
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE, OUTSIDE
from tracking.client import connect
from tracking.live_days import LiveDays

LANES = {FIXED_LANE: "fixed", BANDIT_LANE: "bandit", OUTSIDE: "outside"}


@dataclass
class StrategyTraffic:
    """What a strategy got on a day.

    Attributes:
        by_variant: Variant to what it got.
    """

    by_variant: dict[str, Traffic] = field(default_factory=lambda: defaultdict(Traffic))

    @property
    def whole(self) -> Traffic:
        """All variants together."""
        found = Traffic()
        for traffic in self.by_variant.values():
            found.add(*vars(traffic).values())
        return found


class LiveAggregates:
    """Adds up what came in, and tells it.

    A strategy of a rollout is a variant; of an A/B/n test or a bandit it is a lane (fixed, bandit, outside), with
    figures for each of its variants too.

    Args:
        engine: From ``open_database``.
        tracking_uri: MLflow's address; reached at the first round, and anew after it refused.
        experiment: MLflow's experiment that the runs go to.
        artifact_root: Where artifacts of an experiment made now go; empty: MLflow's own place.
    """

    def __init__(self, engine: Engine, tracking_uri: str, *, experiment: str, artifact_root: str = "") -> None:
        self._engine = engine
        self._mlflow = (tracking_uri, experiment, artifact_root)
        self._days: LiveDays | None = None

    def round(self) -> int:
        """Add up and tell what has changed; what MLflow does not take is told in a later round.

        Returns:
            Day-and-strategy runs that were brought up to date.

        Raises:
            EventLogError: The database refused.
            TrackingError: MLflow refused; what came in is added up all the same.
        """
        count_new(self._engine)
        rows = untold(self._engine)
        if not rows:
            return 0
        days, self._days = self._days or self._connected(), None
        told = self._tell(days, rows)
        mark_told(self._engine, rows)
        # Kept only if all went well: a run may have been deleted, or MLflow be another one by now.
        self._days = days
        return told

    def _connected(self) -> LiveDays:
        uri, experiment, artifact_root = self._mlflow
        tracker = connect(uri, experiment=experiment, artifact_root=artifact_root)
        return LiveDays(tracker, load_job(self._engine, JOB).id)

    def _tell(self, days: LiveDays, rows: list[CountedTraffic]) -> int:
        with_lanes = {record.name for record in list_experiments(self._engine)}
        step = max(row.changed_at for row in rows)
        told = 0
        for (day, experiment), strategies in by_strategy(rows, with_lanes).items():
            sessions = sum(found.whole.impressions for found in strategies.values())
            for strategy, found in strategies.items():
                days.tell(day, experiment, strategy, figures(found, sessions), step=step)
                told += 1
        return told


def by_strategy(
    rows: Iterable[CountedTraffic], with_lanes: set[str]
) -> dict[tuple[str, str], dict[str, StrategyTraffic]]:
    """Rows by (day, experiment) and strategy.

    Args:
        rows: All of a day and experiment, or none.
        with_lanes: Experiments whose step is a lane.
    """
    found: dict[tuple[str, str], dict[str, StrategyTraffic]] = defaultdict(lambda: defaultdict(StrategyTraffic))
    for row in rows:
        day, experiment, step, variant = row.key
        strategy = LANES.get(step, f"lane {step}") if experiment in with_lanes else variant
        found[day, experiment][strategy].by_variant[variant].add(*vars(row.traffic).values())
    return found


def figures(strategy: StrategyTraffic, sessions: int) -> Mapping[str, float]:
    """A strategy's metrics of a day.

    Args:
        strategy: What it got.
        sessions: Of its experiment on that day, all strategies together.

    Returns:
        impressions, failed, clicks, reward, share (of the experiment's sessions) and ctr (clicked sessions over
        sessions); with several variants each of these again as ``ctr/VARIANT``, its share that of the strategy's.
        Without a session there is no ctr.
    """
    whole = strategy.whole
    found = _figures(whole, sessions, "")
    if len(strategy.by_variant) > 1:
        for variant, traffic in strategy.by_variant.items():
            found |= _figures(traffic, whole.impressions, f"/{variant}")
    return found


def _figures(traffic: Traffic, sessions: int, suffix: str) -> dict[str, float]:
    found = {
        "impressions": float(traffic.impressions),
        "failed": float(traffic.failed),
        "clicks": float(traffic.clicks),
        "reward": traffic.reward,
    }
    if sessions:
        found["share"] = traffic.impressions / sessions
    if traffic.impressions:
        found["ctr"] = traffic.clicks / traffic.impressions
    return {f"{name}{suffix}": value for name, value in found.items()}
