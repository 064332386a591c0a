"""The folder of one demo run: what lies where, and how the latest is found."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.errors import ConfigError
from core.files import write_whole


@dataclass(frozen=True)
class RunFolder:
    """Paths inside a run's folder.

    Attributes:
        path: The folder, absolute.
    """

    path: Path

    @classmethod
    def create(cls, parent: Path, label: str, now: datetime) -> RunFolder:
        """A new folder named by time and label; two runs started in the same second get two folders."""
        stamp = now.strftime("%Y%m%d-%H%M%S")
        path = (parent / f"{stamp}-{label}-{secrets.token_hex(2)}").resolve()
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be made ({error.strerror}); set SCREENTEST_RUNS_DIR to a folder that can be written"
            ) from error
        return cls(path)

    @classmethod
    def latest(cls, parent: Path) -> RunFolder:
        """The newest run that came to its end.

        Raises:
            ConfigError: There is none.
        """
        runs = sorted(folder for folder in parent.glob("*") if (folder / "result.json").exists())
        if not runs:
            raise ConfigError(
                f"{parent.resolve()} holds no finished run yet; `make demo` (or `screentest demo`) makes one"
            )
        return cls(runs[-1].resolve())

    @property
    def database(self) -> str:
        """MLflow's tracking URI inside the folder."""
        return f"sqlite:///{self.path / 'mlflow.db'}"

    @property
    def pipeline_root(self) -> Path:
        """Where pipeline steps keep their artifacts."""
        return self.path / "pipeline"

    @property
    def log(self) -> Path:
        """Everything the pipeline's steps printed."""
        return self.path / "logs" / "pipeline.log"

    @property
    def own_log(self) -> Path:
        """What libraries say inside the command itself."""
        return self.path / "logs" / "screentest.log"

    @property
    def redis(self) -> Path:
        """Where an embedded Redis keeps the features of the run's models."""
        return self.path / "redis"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def result(self) -> Path:
        """The machine-readable result."""
        return self.path / "result.json"

    @property
    def plan(self) -> Path:
        """What the demo set out to do, for whoever resumes it."""
        return self.path / "demo.json"

    def write(self, target: Path, text: str) -> None:
        """Write a file of this folder, all of it or nothing."""
        write_whole(target, text)
