"""Hyperparameters by model in a file, as ``screentest tune`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import ConfigError


def read_configs(path: Path | None) -> dict[str, dict[str, Any]]:
    """Read and check them before any work.

    Args:
        path: A JSON file like ``{"ease": {"reg": 300}}``; None: there is none.

    Raises:
        ConfigError: The file cannot be read, is of another shape, or a hyperparameter is not allowed.
        UnknownName: Nobody registered a model.
    """
    from wrappers.registry import model

    if path is None:
        return {}
    example = ' like {"ease": {"reg": 300}}, as `screentest tune` writes it'
    expected = f"must be JSON{example}"
    try:
        configs = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--configs {path}: {error.strerror}; must be a file that holds JSON{example}") from error
    except ValueError as error:
        raise ConfigError(f"--configs {path}: {error}; {expected}") from error
    if not isinstance(configs, dict) or not all(isinstance(options, dict) for options in configs.values()):
        raise ConfigError(f"--configs {path}: {expected}")
    for name, options in configs.items():
        model(name)(options)
    return configs
