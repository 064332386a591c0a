"""What a run was made from: code, data, split and seed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.protocols import Provenance

_PACKAGE = "screentest"
_GIT_TIMEOUT_S = 10


@dataclass(frozen=True)
class CodeVersion:
    """Which code ran.

    Attributes:
        package: Version of the installed package; "unknown" where it is not installed.
        commit: Git commit of the checkout it runs from; empty where it is no checkout (or git is missing).
        dirty: The checkout has changes that no commit holds.
    """

    package: str
    commit: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return self.package
        return f"{self.commit[:12]}-dirty" if self.dirty else self.commit[:12]


def code_version(folder: Path | None = None) -> CodeVersion:
    """The code's version; never fails.

    Args:
        folder: Root of the checkout; None: the folder this package lies in.
    """
    root = (folder or Path(__file__).parent.parent).resolve()
    try:
        package = version(_PACKAGE)
    except PackageNotFoundError:
        package = "unknown"
    top = _git(root, "rev-parse", "--show-toplevel")
    # An environment inside somebody else's repository must not be recorded as that repository's commit.
    if top is None or Path(top).resolve() != root:
        return CodeVersion(package)
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return CodeVersion(package)
    return CodeVersion(package, commit, dirty=_git(root, "status", "--porcelain") != "")


def run_params(provenance: Provenance, *, seed: int | None = None) -> dict[str, str]:
    """Parameters of a run: ``data.source``, ``data.layout``, ``data.sha256``, ``data.split``, ``data.seed``, ``seed``.

    Args:
        provenance: Where the data came from and how it was split.
        seed: The model's own seed; None where nothing in it is random.
    """
    params = {name: str(value) for name, value in provenance.as_params().items()}
    return {**params, "seed": "" if seed is None else str(seed)}


def run_tags(code: CodeVersion | None = None) -> dict[str, str]:
    """Tags of a run: the code's version, also under the names that MLflow's own screens show."""
    code = code or code_version()
    tags = {"code.version": str(code), "code.package": code.package, "mlflow.source.name": _PACKAGE}
    if code.commit:
        tags["mlflow.source.git.commit"] = code.commit
    return tags


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None where git is missing, refuses or hangs."""
    try:
        # Without locks: a reader must not disturb a commit that is under way.
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
