"""Taking a version's features out of a Redis that others use too."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError
from feature_repo.packed import layout_key, user_key

if TYPE_CHECKING:
    import redis

_VERSION = re.compile(r"[0-9a-f]{12}")
#: Keys asked for and removed at a time.
_CHUNK = 1_000


def project_of(version: str) -> str:
    """Feast's name for everything of a version; in Redis its keys end with it."""
    return f"screentest_{version}"


def remove_version(client: redis.Redis, version: str) -> int:
    """Remove every row of a version, Feast's and the packed ones; others stay. It looks at every key there is.

    Args:
        client: See ``redis_client.connect``.
        version: ``FeatureLayout.version``. A model that reads it gets default features from now on.

    Returns:
        Number of keys removed, 0 where there is nothing of that version.

    Raises:
        ConfigError: That is no version; it would be taken for a pattern.
        redis.RedisError: Redis refused; see ``redis_client.refusals``.
    """
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"{version!r} is no version of features; expected 12 hexadecimal digits, as in layout.json")
    # First what says that the version is complete.
    unlink: Callable[..., Any] = client.unlink
    removed: int = unlink(layout_key(version))
    for pattern in (user_key(version, "*"), f"*{project_of(version)}"):
        found = client.scan_iter(pattern, count=_CHUNK)
        while keys := list(islice(found, _CHUNK)):
            removed += unlink(*keys)
    return removed
