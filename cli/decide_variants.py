"""``screentest decide`` of an A/B/n test: what its spec and the event log of its sessions come to."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from experiments.figures import Language
    from experiments.spec import ExperimentSpec


def decide_variants(
    engine: Engine, spec: ExperimentSpec, *, look: int, as_of: int | None, language: Language, json: bool
) -> None:
    """Print the decision.

    Args:
        engine: The event log.
        spec: An A/B/n test, or a bandit with a fixed lane beside it, which is what is analysed.
        look: For method ``group``: which of the looks this is, from 1.
        as_of: The log as it was after so many commits; None: as it is.
        language: Of the sentences.
        json: Print JSON instead.

    Raises:
        RolloutError: No session of the experiment is recorded.
        ConfigError: The spec has nothing to compare.
        EventLogError: The log cannot be read.
    """
    from cli.experiment_tables import tell
    from serving.analysis.variants import analyse_variants

    decided = analyse_variants(engine, spec, look=look, as_of=as_of)
    if json:
        typer.echo(json_format.dumps(decided.as_document(), indent=2, ensure_ascii=False))
        return
    typer.echo(f"{spec.name}: {decided.sessions:,} sessions; commits of the log: {decided.log_commits:,}")
    tell(decided.found, language)
