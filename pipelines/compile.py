"""Compile the pipelines to the YAML that is committed, uploaded to KFP and run locally."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from components.image import IMAGE
from core.errors import ConfigError, UnknownName

PIPELINES = {
    "training": "pipelines.training:training",
    "tuning": "pipelines.tuning:tuning",
    "rollout": "pipelines.rollout:rollout",
}
COMPILED = Path(__file__).parent / "compiled"


def compiled_path(name: str) -> Path:
    """Where a pipeline's committed YAML lies.

    Raises:
        UnknownName: There is no such pipeline.
    """
    if name not in PIPELINES:
        raise UnknownName("pipeline", name, PIPELINES, "pipelines/compile.py")
    return COMPILED / f"{name}.yaml"


def compile_pipeline(name: str, *, image: str = IMAGE, root: str = "") -> str:
    """The YAML of a pipeline.

    Args:
        name: Key of PIPELINES.
        image: The image its steps run in, e.g. with your registry's prefix.
        root: Where a cluster keeps its artifacts, e.g. ``gs://bucket/kfp``; empty: the cluster's own default.

    Raises:
        ConfigError: The root is no address.
    """
    if root and "://" not in root:
        raise ConfigError(f"pipeline root {root!r} is no address; expected e.g. gs://bucket/kfp (pipeline_root)")
    from importlib import import_module

    from kfp import compiler

    module, _, function = PIPELINES[name].partition(":")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        compiler.Compiler().compile(getattr(import_module(module), function), str(path))
        text = path.read_text(encoding="utf-8").replace(f"image: {IMAGE}", f"image: {image}")
    # Where KFP itself writes the `pipeline_root` of a pipeline's decorator; a JSON text is a YAML text.
    return (
        text.replace("\ndeploymentSpec:", f"\ndefaultPipelineRoot: {json.dumps(root)}\ndeploymentSpec:")
        if root
        else text
    )


def stale(folder: Path = COMPILED) -> list[str]:
    """Names of the pipelines whose committed YAML is not what the code compiles to."""
    return [
        name
        for name in PIPELINES
        if not (folder / f"{name}.yaml").exists()
        or (folder / f"{name}.yaml").read_text(encoding="utf-8") != compile_pipeline(name)
    ]


def write_compiled(folder: Path = COMPILED, *, image: str = IMAGE, root: str = "") -> list[Path]:
    """Write every pipeline's YAML into a folder; see :func:`compile_pipeline` for the arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PIPELINES:
        path = folder / f"{name}.yaml"
        path.write_text(compile_pipeline(name, image=image, root=root), encoding="utf-8")
        written.append(path)
    return written
