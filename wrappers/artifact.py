"""A trained model on disk: data only, complete or not there at all.

    model.json      format, model (its name in the registry), config, dimensions, id_types, sha256 of the others
    <group>.npz     numbers, one file per group, readable without pickle
    <table>.parquet items: item_id, title, year, genres
    <text>.txt      what a library writes as text, e.g. a booster's trees
    <graph>.onnx    a network as ONNX
    <document>      text under a name of its own, .yaml, .json or .py: a prompt, a graph's code
    <part>/         an artifact like this one, where a model is made of others

The folder is written beside its place and moved there, so that a reader never sees half of it. What is loaded is
checked against the hashes; the class is looked up by name in the registry. No code comes from the artifact, but for
graphs that we wrote ourselves (wrappers/graph_code.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import ConfigError, DataError
from wrappers.base import ModelWrapper
from wrappers.registry import model
from wrappers.texts import STRINGS

FORMAT = 1
HEADER = "model.json"
#: A group of arrays of more than this is kept as it is.
_COMPRESSED_BYTES = 256 << 20
_DOCUMENTS = (".yaml", ".json", ".py")


@dataclass(frozen=True)
class Artifact:
    """What a folder holds.

    Attributes:
        header: ``model`` (registered name), ``config`` and whatever else the model tells of itself; JSON values.
        arrays: Group name to array name to array; no objects among them.
        tables: Table name to table.
        texts: Name to text.
        graphs: Name to a network as ONNX bytes.
        parts: Name to the artifact of a model that this one is made of.
        documents: File name (``prompts.yaml``) to text.
    """

    header: dict[str, Any]
    arrays: dict[str, dict[str, npt.NDArray[Any]]]
    tables: dict[str, pd.DataFrame]
    texts: dict[str, str] = field(default_factory=dict)
    graphs: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, Artifact] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Write an artifact in one move.

    Args:
        folder: Where to; must not exist, or be empty.
        artifact: What to write. The same artifact gives the same bytes.

    Raises:
        ConfigError: The folder holds something already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something already; name a folder that does not exist yet or is empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_files(partial, artifact)
        # mkdtemp made it private; an artifact is read by servers that may run as somebody else.
        partial.chmod(0o755)
        os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_files(folder: Path, artifact: Artifact) -> None:
    for group, arrays in artifact.arrays.items():
        # Compressed, gigabytes of factors would be hardly smaller and take minutes.
        large = sum(array.nbytes for array in arrays.values()) > _COMPRESSED_BYTES
        write = np.savez if large else np.savez_compressed
        write(folder / f"{group}.npz", allow_pickle=False, **arrays)
    for name, table in artifact.tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    for name, text in artifact.texts.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    for name, graph in artifact.graphs.items():
        (folder / f"{name}.onnx").write_bytes(graph)
    for name, text in artifact.documents.items():
        (folder / name).write_bytes(text.encode())
    for name, part in artifact.parts.items():
        (folder / name).mkdir()
        _write_files(folder / name, part)
    header = {"format": FORMAT, **artifact.header, "sha256": _hashes(folder)}
    (folder / HEADER).write_text(json.dumps(header, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_artifact(folder: Path) -> Artifact:
    """Read what :func:`write_artifact` wrote.

    Raises:
        DataError: No artifact is there, a file is missing or changed, or the format is another version's.
    """
    header = _header(folder)
    for name, expected in header["sha256"].items():
        _check_hash(folder, name, expected)
    arrays, tables, texts, graphs, parts, documents = {}, {}, {}, {}, {}, {}
    for name in header["sha256"]:
        path = folder / name
        try:
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as stored:
                    arrays[path.stem] = {key: stored[key] for key in stored.files}
            elif path.suffix == ".parquet":
                tables[path.stem] = _table(path)
            elif path.suffix == ".txt":
                texts[path.stem] = path.read_bytes().decode()
            elif path.suffix == ".onnx":
                graphs[path.stem] = path.read_bytes()
            elif path.name == HEADER:
                parts[path.parent.name] = read_artifact(path.parent)
            elif path.suffix in _DOCUMENTS:
                documents[path.name] = path.read_bytes().decode()
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot be read ({error}); train the model again", file=str(path)) from error
    return Artifact(header, arrays, tables, texts, graphs, parts, documents)


def _table(path: Path) -> pd.DataFrame:
    """A table whose texts stay in one buffer: as Python's strings they would take several times the memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {pa.string(): STRINGS, pa.large_string(): STRINGS}
    return pq.read_table(path, use_threads=False).to_pandas(types_mapper=texts.get, use_threads=False)


def load_wrapper(folder: str | Path) -> ModelWrapper:
    """Load whatever model a folder holds, by its name in the registry.

    Args:
        folder: What ``save`` wrote. For addresses in MLflow see ``ModelWrapper.load``.

    Raises:
        DataError: The artifact is missing, damaged, or of a format this version does not read.
        UnknownName: It holds a model that no registry knows.
        ConfigError: It holds hyperparameters that the model does not know.
    """
    return wrapper_of(read_artifact(Path(folder)))


def wrapper_of(artifact: Artifact) -> ModelWrapper:
    """The trained model that an artifact, or a part of one, holds. See :func:`load_wrapper`."""
    return model(artifact.header["model"]).from_artifact(artifact)


def _header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no {HEADER} in it; must be a folder that a model was saved to", file=str(folder)) from None
    except (NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"is no model header ({error}); train the model again", file=str(path)) from error
    version = header.get("format") if isinstance(header, dict) else None
    if version != FORMAT:
        raise DataError(f"format == {version!r}, this version reads {FORMAT}; train the model again", file=str(path))
    expected = {"model": str, "config": dict, "sha256": dict}
    for name, kind in expected.items():
        if not isinstance(header.get(name), kind):
            problem = f"{name} == {header.get(name)!r}, must be a {kind.__name__}; train the model again"
            raise DataError(problem, file=str(path))
    return header


def _check_hash(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    # A part's header holds the hashes of its own files.
    of_part = Path(name).parent.name
    inside = name == Path(name).name or (of_part not in ("", "..") and name == f"{of_part}/{HEADER}")
    if not inside or not path.is_file():
        raise DataError(f"lacks {name!r}, which {HEADER} names; train the model again", file=str(folder))
    if _sha256(path) != expected:
        raise DataError(f"is damaged: its hash is not the one in {HEADER}; train the model again", file=str(path))


def _hashes(folder: Path) -> dict[str, str]:
    """Of every file, and of the header of every part."""
    of_files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    of_parts = {f"{path.name}/{HEADER}": _sha256(path / HEADER) for path in sorted(folder.iterdir()) if path.is_dir()}
    return {**of_files, **of_parts}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
