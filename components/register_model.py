"""register-model: every trained model becomes a version; the gate names the challenger."""

from typing import NamedTuple

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_model(
    run_ids: list[str],
    pair: str,
    plant: str,
    gate_metric: str,
    gate_threshold: float,
    k: int,
    relevant_rating: float,
    seed: int,
    dataset: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    model_name: str,
    experiment: str,
    leaderboard: dsl.Output[dsl.HTML],
) -> NamedTuple("Contestants", [("champion", str), ("challenger", str), ("reason", str)]):
    """Register versions, judge them against the champion and set the aliases.

    Where SCREENTEST_EVENTS_URL names an event database, it keeps the versions with their metrics.

    Args:
        run_ids: MLflow runs of the trained and evaluated models.
        pair: ``a,b`` makes a champion and b challenger whatever the gate says; empty: the gate decides.
        plant: none, or the fault to plant in the rollout: aa, uplift, damage, shuffle.
        gate_metric: ndcg, recall, precision, map, mrr or hit_rate, at k.
        gate_threshold: The least a challenger must reach.
        k: Length of a recommended list.
        relevant_rating: A held-out rating of at least this is relevant.
        seed: Seed of the paired bootstrap.
        dataset: What get-data wrote.
        tracking_uri: MLflow's address.
        model_name: The registered model.
        experiment: MLflow experiment to log to.
        leaderboard: Receives all models side by side, with the gate's reasons.

    Returns:
        champion and challenger as pinned URIs, ``models:/recommender/3``; challenger is empty where none passed;
        reason says why these two.
    """
    from core.settings import load_settings
    from loaders.prepared import PreparedDataLoader
    from wrappers.lifecycle import register_candidates
    from wrappers.registered_versions import keep_versions

    registered = register_candidates(
        run_ids,
        PreparedDataLoader(dataset.path),
        pair=pair,
        plant=plant,
        metric=gate_metric,
        threshold=gate_threshold,
        k=k,
        relevant_rating=relevant_rating,
        seed=seed,
        tracking_uri=tracking_uri,
        model_name=model_name,
        experiment=experiment,
    )
    events_url = load_settings().events_url.get_secret_value()
    keep_versions(events_url, registered.versions, tracking_uri=tracking_uri, experiment=experiment)
    with open(leaderboard.path, "w", encoding="utf-8") as page:
        page.write(registered.html)
    return (registered.champion_uri, registered.challenger_uri, registered.selection.reason)
