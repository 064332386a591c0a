"""An audition of a few hundred sessions on a small world, whole in everything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.audition import Audition, source_of
from cli.run_folder import RunFolder
from core.settings import load_settings
from experiments.spec import parse_spec
from loaders.base import SplitRule
from loaders.export import write_movielens_csv
from loaders.synthetic import SyntheticDataLoader


class ShortAudition(Audition):
    """The same audition with looks after 50 sessions instead of 1,000."""

    def _spec(self, champion: str, challenger: str) -> dict[str, Any]:
        long = super()._spec(champion, challenger)
        steps = [{"percent": 5, "sessions": 50}, {"percent": 50, "sessions": 250}]
        short = {
            "rollout": {"steps": steps, "watch_sessions": 50},
            "stopping": {"look_every": 50, "min_challenger_sessions": 20},
        }
        return parse_spec({**long, **short}).document()


def write_small_ratings(folder: Path) -> Path:
    """80 users and 150 items as MovieLens files; the folder."""
    world = SyntheticDataLoader(3, n_users=80, n_items=150, split=SplitRule())
    write_movielens_csv(world.load(), folder)
    return folder


def short_audition(
    data: Path | str,
    runs: Path,
    console: Console,
    *,
    plant: str = "none",
    models: Sequence[str] = ("popularity", "ease"),
) -> ShortAudition:
    """Ready to ``perform``, in a run folder under ``runs``."""
    settings = load_settings(data_source_path=str(data), runs_dir=runs, connections=8)
    run = RunFolder.create(runs, plant, datetime(2026, 1, 31, 12))
    return ShortAudition(
        settings, run, source_of(settings), seed=5, plant=plant, models=list(models), configs={}, console=console
    )
