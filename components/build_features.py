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

    Args:
        dataset: What get-data wrote.
        every_days: Days between two snapshots.
        features: Folder of the snapshots: Parquet, layout.json, Feast's registry.
        report: Receives counts, missing shares, spreads and the checks.
    """
    from core.settings import load_settings
    from feature_repo.build import build_features as build
    from loaders.prepared import PreparedDataLoader
    from wrappers.own_tags import without_foreign_tags

    known = without_foreign_tags(PreparedDataLoader(dataset.path).train())
    redis_url = load_settings().redis_url.get_secret_value()
    built = build(known, features.path, every_days=every_days, redis_url=redis_url)
    features.metadata.update(built.figures)
    with open(report.path, "w", encoding="utf-8") as page:
        page.write(built.html)
