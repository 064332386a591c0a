"""One audition from data to verdict: what ``screentest demo`` does, stage by stage."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from rich.console import Console

from cli.finish import Told, finish
from cli.run_folder import RunFolder
from cli.stages import StageBoard
from core.logs import log_to_file
from core.settings import Settings
from loaders.choice import Source, choose_source
from pipelines.compile import compiled_path
from pipelines.local_runner import run_pipeline
from tracking.client import connect

#: Simulated visitors; each has a real user's taste and an id of its own.
VISITORS = 40_000


class Audition:
    """Runs the training and the rollout pipeline in a folder of their own and tells what happened.

    Args:
        settings: The settings in force.
        run: The folder of this run.
        seed: Seed of synthetic data, bootstrap, visitors and assignment.
        plant: none, aa, uplift, damage or shuffle.
        models: Models to train; exactly two are the named pair (champion, challenger).
        console: Where to tell it.
    """

    def __init__(
        self, settings: Settings, run: RunFolder, *, seed: int, plant: str, models: list[str], console: Console
    ) -> None:
        self.settings = settings
        self.run = run
        self.seed = seed
        self.plant = plant
        self.models = models
        self.console = console
        self.tracking_uri = settings.mlflow_tracking_uri or run.database

    def perform(self) -> dict[str, Any]:
        """Go through every stage.

        Returns:
            What the demo's JSON holds: decision, control, challenger, effect, interval, steps, data, seconds.

        Raises:
            ScreentestError: Whatever failed, in one line.
        """
        from serving.reaper import reaped

        began = time.monotonic()
        log_to_file(self.run.own_log)
        source = self._source()
        self.console.print(f"data: {source.why}", highlight=False, soft_wrap=True)
        self.console.print(f"run:  {self.run.path}", highlight=False, soft_wrap=True)
        # Before anything is computed: a tracking server that does not answer should not cost minutes.
        connect(self.tracking_uri, experiment=self.settings.mlflow_experiment_name)
        with reaped(), StageBoard(self.console) as board:
            trained = self._train(source, board)
            if not trained["challenger"]:
                return self._nobody_to_audition(source)
            self._keep(Told(source.why, self.settings.k, self.settings.gate_metric, dict(board.seconds)))
            self._roll_out(trained, board)
        seconds = {name: round(value, 2) for name, value in board.seconds.items()}
        seconds["total"] = round(time.monotonic() - began, 2)
        return finish(self.run, Told(source.why, self.settings.k, self.settings.gate_metric, seconds), self.console)

    def _source(self) -> Source:
        """The data named by path, or by a loader of the user's choice."""
        kind, path = self.settings.data_loader_type, self.settings.data_source_path
        if kind == "local":
            return choose_source(path, self.settings.cache_dir)
        return Source(kind, path, f"loader {kind!r}{f' on {path}' if path else ''}, because DATA_LOADER_TYPE names it")

    def _keep(self, told: Told) -> None:
        """What a killed run's successor must know to end it as this one would have."""
        self.run.write(self.run.plan, json.dumps(asdict(told), indent=2) + "\n")

    def _nobody_to_audition(self, source: Source) -> dict[str, Any]:
        """No model beat the champion offline: it stays, and nothing is put before users."""
        self.console.print(
            "Kept: no model beat the champion offline by the gate's rule, so no visitor was shown one. "
            "The leaderboard with the reasons is in MLflow, run 'registration'.",
            soft_wrap=True,
        )
        document = {"decision": "keep", "reasons": ["gate"], "data": source.why, "seed": self.seed, "steps": []}
        figures = ("control", "challenger", "effect_size", "rel_effect_size", "ci_lower", "ci_upper")
        document = {**document, **dict.fromkeys(figures), "run": str(self.run.path)}
        self.run.write(self.run.result, json.dumps(document, indent=2) + "\n")
        return document

    def _train(self, source: Source, board: StageBoard) -> dict[str, Any]:
        """The training pipeline: champion and challenger as pinned URIs, and the dataset artifact."""
        settings = self.settings
        return run_pipeline(
            compiled_path("training"),
            {
                "source": source.path,
                "loader": source.kind,
                "models": self.models,
                "pair": ",".join(self.models) if len(self.models) == 2 else "",
                "plant": self.plant,
                "split": settings.split,
                "split_n": settings.split_n,
                "split_test_fraction": settings.split_test_fraction,
                "k": settings.k,
                "relevant_rating": settings.relevant_rating,
                "gate_metric": settings.gate_metric,
                "gate_threshold": settings.gate_threshold,
                "seed": self.seed,
                "tracking_uri": self.tracking_uri,
                "experiment": settings.mlflow_experiment_name,
                "model_name": settings.mlflow_model_name,
            },
            root=self.run.pipeline_root,
            log=self.run.log,
            watcher=board,
        )

    def _roll_out(self, trained: dict[str, Any], board: StageBoard) -> None:
        """The rollout pipeline, to its decision; its state and event log are in the run's folder."""
        run_pipeline(
            compiled_path("rollout"),
            {
                "dataset_uri": trained["dataset"].uri,
                "experiment_spec": self._spec(trained["champion"], trained["challenger"]),
                "run_dir": str(self.run.path),
                "plant": self.plant,
                "seed": self.seed,
                "n_visitors": VISITORS,
                "connections": self.settings.connections,
                "tracking_uri": self.tracking_uri,
                "experiment": self.settings.mlflow_experiment_name,
                "model_name": self.settings.mlflow_model_name,
            },
            root=self.run.pipeline_root,
            log=self.run.log,
            watcher=board,
        )

    def _spec(self, champion: str, challenger: str) -> dict[str, Any]:
        """The experiment spec; the salt depends on the seed alone, so that the seed decides who sees what."""
        from experiments.spec import parse_spec

        spec = parse_spec(
            {
                "name": "demo",
                "salt": f"demo-{self.seed}",
                "unit": "visitor_id",
                "variants": {"champion": champion, "challenger": challenger},
            }
        )
        return spec.model_dump(mode="json")
