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
    split_folds: int,
    split_fold: int,
    seed: int,
    thresholds: dict,
    quarantine: bool,
    dataset: dsl.Output[dsl.Dataset],
    description: dsl.Output[dsl.HTML],
    validation: dsl.Output[dsl.HTML],
    set_aside: dsl.Output[dsl.Artifact],
    columns: dict = {},  # noqa: B006 - KFP reads the default, nobody changes it
) -> None:
    """Write the prepared dataset, a page of what was checked and a page that describes the data.

    Where SCREENTEST_EVENTS_URL names an event database, it gets the users and items of the data.

    Args:
        source: Path or address (https, gs) of the data; ignored by loaders that need none (synthetic).
        loader: Name in loaders/registry.py.
        split: random_per_user, stratified, leave_last_n, temporal, kfold, kfold_per_user, ms75 or full811.
        split_n: Ratings held out per user (leave_last_n).
        split_test_fraction: Share of ratings held out (random_per_user, stratified, temporal).
        split_folds: Folds (kfold, kfold_per_user).
        split_fold: The fold held out, from 0 (kfold, kfold_per_user).
        seed: Seed of synthetic data and of a random split.
        thresholds: What the data must be like at the least, by the names in core/settings.py; empty: the settings'.
        quarantine: Set bad lines aside instead of refusing the data at the first.
        dataset: Folder of Parquet files: train, test, items, genres, tags, users, and provenance.json.
        description: Counts, density, long tail, cold users.
        validation: Each check with figure, limit and verdict; there also where the data are refused.
        set_aside: CSV of the lines set aside: file, line, reason, text.
        columns: Our names to the file's, for tables whose columns have other names; empty: the settings'.
    """
    from pathlib import Path

    from core.settings import load_settings
    from events.catalogue import record_data
    from loaders.base import SplitRule
    from loaders.fetch import on_this_machine
    from loaders.preparing import Outputs, prepare
    from loaders.registry import open_loader

    rule = SplitRule(split, split_n, split_test_fraction, seed, split_folds, split_fold)
    settings = load_settings(validation=thresholds or None, data_columns=columns or None)
    path = on_this_machine(source, settings.cache_dir, sha256=settings.data_sha256)
    opened = open_loader(loader, source=path, split=rule, seed=seed, columns=settings.data_columns)
    outputs = Outputs(*(Path(output.path) for output in (dataset, description, validation, set_aside)))
    dataset.metadata.update(prepare(opened, outputs, thresholds=settings.validation, quarantine=quarantine))
    events_url = settings.events_url.get_secret_value()
    if events_url:
        record_data(events_url, opened.load(), source=opened.provenance().source)
