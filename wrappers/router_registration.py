"""The router in MLflow: made anew whenever another version is PolicyA or PolicyB."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tracking.client import Tracker
from tracking.models import log_model
from tracking.registry import MODEL_KIND, Candidate, ModelVersion, download, register_all, version_for
from tracking.runs import new_run
from wrappers.artifact import read_artifact, write_artifact
from wrappers.pyfunc import PyfuncModel, requirements_of
from wrappers.recommender import RecommenderWrapper
from wrappers.router import ARMS, ROUTER, Router, RouterConfig, router_artifact

LOADER_MODULE = "wrappers.router_registration"
#: Version tag: the whole configuration, by which an unchanged router is known.
_CONFIG = "screentest.router"


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Called by MLflow with the folder that was logged."""
    return PyfuncModel(Router.load(data_path))


def register_router(
    tracker: Tracker, model_name: str, *, salt: str = "router", share: float = 0.5
) -> ModelVersion | None:
    """Make the router of the versions that are PolicyA and PolicyB now, with the alias ``router``.

    Version and alias are set together or not at all. A router that is the same already keeps its version.

    Args:
        tracker: Where to.
        model_name: The registered model whose aliases are PolicyA and PolicyB.
        salt: Of the assignment's hash.
        share: Of users that PolicyA gets, 0 … 1.

    Returns:
        Its version; None where one of the policies does not exist yet.

    Raises:
        ConfigError: The share is not allowed.
        DataError: A policy's artifact is damaged.
        TrackingError: MLflow refused.
    """
    found = {arm: version_for(tracker, model_name, arm) for arm in ARMS}
    policies = {arm: version.uri for arm, version in found.items() if version is not None}
    if len(policies) < len(ARMS):
        return None
    config = RouterConfig.parse({"salt": salt, "share": share, "policies": policies}, of=ROUTER)
    reigning = version_for(tracker, ROUTER, ROUTER)
    if reigning is not None and reigning.tags.get(_CONFIG) == config.model_dump_json():
        return reigning
    params = {"model": ROUTER, "salt": salt, "share": share, **policies}
    with new_run(tracker, ROUTER, params=params, tags={MODEL_KIND: ROUTER}) as run_id:
        _log(tracker, run_id, config)
    candidate = Candidate(run_id, ROUTER, {**policies, _CONFIG: config.model_dump_json()})
    return register_all(tracker, ROUTER, [candidate], {ROUTER: run_id})[0]


def _log(tracker: Tracker, run_id: str, config: RouterConfig) -> None:
    """Keep the router with its run, with signature and example."""
    parts = {arm: read_artifact(download(tracker, uri)) for arm, uri in config.policies.items()}
    with TemporaryDirectory(prefix="screentest-router-") as scratch:
        folder = Path(scratch) / ROUTER
        write_artifact(folder, router_artifact(config, parts))
        router = Router.load(folder)
        example = _input_example(router)
        log_model(
            tracker,
            run_id,
            folder,
            loader_module=LOADER_MODULE,
            input_example=example,
            output_example=router.predict(example),
            requirements=requirements_of(*router.policies.values()),
            optional=("k", "exclude_items"),
        )


def _input_example(router: Router) -> pd.DataFrame:
    """A request of the first users that PolicyA knows."""
    known = next(one.known for one in router.policies.values() if isinstance(one, RecommenderWrapper))
    user_ids, item_ids = known.users.ids[:2].tolist(), known.items.ids[:1].tolist()
    return pd.DataFrame({"user_id": user_ids, "k": [3] * len(user_ids), "exclude_items": [item_ids] * len(user_ids)})
