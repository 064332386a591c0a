"""get-data: read, validate and split ratings into the dataset artifact every later step shares."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def get_data(
    source: str,
    loader: str,
    split: str,
    split_n: int,
    split_test_fraction: float,
    seed: int,
    dataset: dsl.Output[dsl.Dataset],
    description: dsl.Output[dsl.HTML],
) -> None:
    """Write the prepared dataset and a page that describes it.

    Args:
        source: Path or URI of the data; ignored by loaders that need none (synthetic).
        loader: Name in loaders/registry.py.
        split: random_per_user, leave_last_n or temporal.
        split_n: Ratings held out per user (leave_last_n).
        split_test_fraction: Share of ratings held out (random_per_user, temporal).
        seed: Seed of synthetic data and of a random split.
        dataset: Folder of Parquet files: train, test, items, genres, tags, users, and provenance.json.
        description: Counts, density, long tail, cold users.
    """
    from loaders.base import SplitRule
    from loaders.describe import describe_html
    from loaders.prepared import write_prepared
    from loaders.registry import open_loader

    rule = SplitRule(kind=split, n=split_n, test_fraction=split_test_fraction, seed=seed)
    opened = open_loader(loader, source=source, split=rule, seed=seed)
    dataset.metadata.update(write_prepared(opened, dataset.path))
    with open(description.path, "w", encoding="utf-8") as page:
        page.write(describe_html(opened))
