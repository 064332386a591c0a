"""The one place where Feast is imported, on first use: it takes seconds and hundreds of megabytes.

``import feast`` also names a folder for prometheus_client's multi-process mode in the environment. In that mode every
metric of this process and of its children would go to files of Feast's that vanish with this process. So
prometheus_client is imported before, while it still counts in memory, and the names are taken out again after.
"""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from types import ModuleType

from core.settings import kept

_MULTIPROCESS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")


@cache
def feast(submodule: str = "") -> ModuleType:
    """Feast, or a module of it that ``import feast`` leaves out.

    Args:
        submodule: E.g. ``"infra.online_stores.redis"``.
    """
    import prometheus_client  # noqa: F401 - must come first, see above

    with kept(_MULTIPROCESS), warnings.catch_warnings():
        # Deprecations inside Feast, on which nobody here can act.
        warnings.simplefilter("ignore")
        return importlib.import_module(f"feast.{submodule}" if submodule else "feast")
