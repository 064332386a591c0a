"""build-features: what models know of users and items, as snapshots, in Feast and in Redis, checked."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_features(
    dataset: dsl.Input[dsl.Dataset],
    every_days: int,
    features: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
) -> None:
    """Compute features of the training ratings, put them into the Redis of REDIS_URL and check them there.

    Where SCREENTEST_EVENTS_URL names an event database, it keeps the version with its definitions and counts.

    Args:
        dataset: What get-data wrote.
        every_days: Days between two snapshots.
        features: Folder of the snapshots: Parquet, layout.json, Feast's registry.
        report: Receives counts, missing shares, spreads and the checks.
    """
    from core.settings import load_settings
    from events.catalogue import record_features
    from feature_repo.build import build_features as build
    from loaders.prepared import PreparedDataLoader
    from wrappers.own_tags import without_foreign_tags

    loader, settings = PreparedDataLoader(dataset.path), load_settings()
    redis_url, events_url = (url.get_secret_value() for url in (settings.redis_url, settings.events_url))
    built = build(without_foreign_tags(loader.train()), features.path, every_days=every_days, redis_url=redis_url)
    record_features(events_url, built.figures, built.definitions, provenance=loader.provenance().as_params())
    features.metadata.update(built.figures)
    with open(report.path, "w", encoding="utf-8") as page:
        page.write(built.html)
