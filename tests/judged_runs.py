"""Models trained and judged on two splits of the same small ratings, as runs of a real MLflow."""

from __future__ import annotations

from core.protocols import Provenance
from loaders.base import SplitRule
from tests.small_interactions import MemoryLoader, grouped_loader
from tracking.client import Tracker
from wrappers.lifecycle import evaluate_and_log, train_and_log

K = 5


class SplitLoader(MemoryLoader):
    """The same ratings each time, divided by a seed."""

    def __init__(self, seed: int) -> None:
        everything = grouped_loader().load()
        self.split = SplitRule("random_per_user", test_fraction=0.2, seed=seed)
        rows = self.split.apply(everything.ratings)
        super().__init__(everything.take(rows.train), everything.take(rows.test))

    def provenance(self) -> Provenance:
        return Provenance("memory", "test", "00", str(self.split))


OLD, NEW = SplitLoader(1), SplitLoader(2)


def run_of(name: str, loader: MemoryLoader, tracker: Tracker, config: dict[str, float] | None = None) -> str:
    run_id = train_and_log(name, loader, config, tracking_uri=tracker.uri)
    evaluate_and_log(run_id, loader, k=K, tracking_uri=tracker.uri)
    return run_id
