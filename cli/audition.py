"""One audition from data to verdict: what ``screentest demo`` does, stage by stage."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.download_bar import download_bar
from cli.feature_store import feature_store
from cli.finish import Told, finish
from cli.run_folder import RunFolder
from cli.stages import StageBoard
from cli.training_arguments import need_features, training_arguments
from core.logs import log_to_file
from core.settings import Settings
from loaders.choice import Source, choose_source
from loaders.fetch import on_this_machine
from loaders.registry import loader
from pipelines.compile import compiled_path
from pipelines.local_runner import run_pipeline
from tracking.client import connect
from tracking.registry import ModelVersion, resolve

#: Simulated visitors; each has a real user's taste and an id of its own.
VISITORS = 40_000


class Audition:
    """Runs the training and the rollout pipeline in a folder of their own and tells what happened.

    Args:
        settings: The settings in force.
        run: The folder of this run.
        source: The data.
        seed: Seed of synthetic data, bootstrap, visitors and assignment.
        plant: none, aa, uplift, damage or shuffle.
        models: Models to train; exactly two are the named pair (champion, challenger).
        configs: Hyperparameters by model; a model without an entry takes its defaults.
        console: Where to tell it.
    """

    def __init__(
        self,
        settings: Settings,
        run: RunFolder,
        source: Source,
        *,
        seed: int,
        plant: str,
        models: list[str],
        configs: Mapping[str, Mapping[str, Any]],
        console: Console,
    ) -> None:
        self.settings = settings
        self.source = source
        self.run = run
        self.seed = seed
        self.plant = plant
        self.models = models
        self.configs = configs
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
        self._say(f"data: {self.source.why}")
        self._say(f"run:  {self.run.path}")
        # Before anything is computed: a tracking server that does not answer should not cost minutes.
        tracker = connect(
            self.tracking_uri,
            experiment=self.settings.mlflow_experiment_name,
            artifact_root=self.settings.artifact_root,
        )
        features = feature_store(self.settings, self.run) if self.needs_features else nullcontext()
        with reaped(), features as redis, StageBoard(self.console) as board:
            trained = self._train(board)
            if redis is not None:
                # A rollout that is killed is resumed on the same rows.
                redis.save()
            self._keep(board)
            if trained["challenger"]:
                self._roll_out(trained, board)
        seconds = {name: round(value, 2) for name, value in board.seconds.items()}
        seconds["total"] = round(time.monotonic() - began, 2)
        if not trained["challenger"]:
            return self._nobody_to_audition(resolve(tracker, trained["champion"]), trained, seconds)
        return finish(self.run, self._told(seconds), self.console)

    @property
    def needs_features(self) -> bool:
        """Whether one of the models looks features up when it serves."""
        return need_features(self.models)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _told(self, seconds: Mapping[str, float]) -> Told:
        settings = self.settings
        return Told(
            data=self.source.why,
            k=settings.k,
            metric=settings.gate_metric,
            tracking_uri=self.tracking_uri,
            model_name=settings.mlflow_model_name,
            seconds=dict(seconds),
            relevant_rating=settings.relevant_rating,
        )

    def _keep(self, board: StageBoard) -> None:
        """What whoever resumes or serves this run must know."""
        self.run.write(self.run.plan, json.dumps(asdict(self._told(board.seconds)), indent=2) + "\n")

    def _nobody_to_audition(
        self, champion: ModelVersion, trained: dict[str, Any], seconds: dict[str, float]
    ) -> dict[str, Any]:
        """No model beat the champion offline: it stays, and nothing is put before visitors."""
        self.run.write(self.run.report, Path(trained["leaderboard"].path).read_text(encoding="utf-8"))
        figures = ("challenger", "effect_size", "rel_effect_size", "ci_lower", "ci_upper")
        document = {
            "decision": "keep",
            "reasons": ["gate"],
            "why": trained["reason"],
            "control": champion.model,
            "control_version": champion.version,
            **dict.fromkeys(figures),
            "steps": [],
            "foretelling": [],
            "foretelling_note": "No visitor was shown another model, so there was nothing to foretell.",
            "data": self.source.why,
            "seed": self.seed,
            "seconds": seconds,
            "run": str(self.run.path),
            "report": str(self.run.report),
        }
        self.run.write(self.run.result, json.dumps(document, indent=2) + "\n")
        self._say(
            f"Kept: {champion.model} (version {champion.version}) stays the champion; no visitor was shown another."
        )
        self._say(f"Why: {trained['reason']}")
        self._say(f"report: {self.run.report} (the leaderboard)")
        return document

    def _train(self, board: StageBoard) -> dict[str, Any]:
        """The training pipeline: champion and challenger as pinned URIs, and the dataset artifact."""
        return run_pipeline(
            compiled_path("training"),
            training_arguments(
                self.settings,
                self.source,
                models=self.models,
                configs=self.configs,
                seed=self.seed,
                tracking_uri=self.tracking_uri,
                pair=",".join(self.models) if len(self.models) == 2 else "",
                plant=self.plant,
            ),
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
                "deployer": self.settings.deployer,
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
        return spec.document()


def source_of(settings: Settings) -> Source:
    """The data named by path, or by a loader of the user's choice.

    Raises:
        BadInput: The path does not exist, or is an address that holds no data.
        UnknownName: Nobody registered the loader.
        DownloadError: An address cannot be read, or its download not kept.
    """
    kind, path = settings.data_loader_type, settings.data_source_path
    with download_bar() as watch:
        if kind == "local":
            return choose_source(
                path, settings.cache_dir, columns=settings.data_columns, sha256=settings.data_sha256, watch=watch
            )
        loader(kind)
        path = on_this_machine(path, settings.cache_dir, sha256=settings.data_sha256, watch=watch)
    return Source(kind, path, f"loader {kind!r}{f' on {path}' if path else ''}, because DATA_LOADER_TYPE names it")
