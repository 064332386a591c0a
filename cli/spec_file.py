"""An experiment spec from its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from core.errors import DataError

if TYPE_CHECKING:
    from experiments.spec import ExperimentSpec


def read_spec(path: Path) -> ExperimentSpec:
    """A spec from YAML or JSON.

    Raises:
        DataError: The file is not there or cannot be read.
        ConfigError: It holds no spec; the message names each field at fault.
    """
    from experiments.spec import parse_spec

    if not path.exists():
        raise DataError("there is no such file; name an experiment spec (docs/SPEC.md)", file=str(path))
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"is no experiment spec that can be read: {str(error).splitlines()[0]}", file=str(path)
        ) from error
    return parse_spec(document)
