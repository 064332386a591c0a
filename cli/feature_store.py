"""Redis for as long as a command runs, its address known to every step and server that the command starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from cli.run_folder import RunFolder
from core.settings import Settings, exported

if TYPE_CHECKING:
    from serving.redis_process import RedisAt

#: The embedded Redis shares this machine with every other process of the run. A busy moment must not turn a visitor's
#: features into defaults: the same seed would then give other lists.
_EMBEDDED_TIMEOUT_MS = 1000.0


@contextmanager
def feature_store(settings: Settings, run: RunFolder) -> Iterator[RedisAt]:
    """The Redis that the settings name, else an embedded one with what it kept in the run's folder.

    Raises:
        FeatureStoreError: The Redis named does not answer, or none can be started.
    """
    from serving.redis_process import redis_for

    with redis_for(settings, run.redis) as redis:
        timeout_ms = settings.feature_timeout_ms
        if redis.embedded:
            timeout_ms = max(timeout_ms, _EMBEDDED_TIMEOUT_MS)
        with exported({"REDIS_URL": redis.url, "SCREENTEST_FEATURE_TIMEOUT_MS": str(timeout_ms)}):
            yield redis


def kept_feature_store(settings: Settings, run: RunFolder) -> AbstractContextManager[RedisAt | None]:
    """The features that a run kept for its servers; nothing is started for a run that needed none."""
    return feature_store(settings, run) if run.redis.is_dir() else nullcontext()
