import pandas as pd

from tests.small_interactions import random_interactions
from wrappers.item_details import item_details
from wrappers.popularity import Popularity
from wrappers.training_data import TrainingData


def test_details_come_in_the_order_asked_and_unknown_items_are_left_out() -> None:
    known = Popularity().fit(random_interactions()).known

    found = item_details(known, ["103", "no-such-item", 101])

    assert found == [
        {"item_id": 103, "title": "Film 103", "year": 2000, "genres": ["Drama", "War"]},
        {"item_id": 101, "title": "Film 101", "year": 2000, "genres": ["Drama", "War"]},
    ]
    assert item_details(known, []) == []


def test_an_item_without_year_and_genres() -> None:
    known = Popularity().fit(random_interactions()).known
    unknown = pd.array([pd.NA] * len(known.items), dtype="Int16")
    bare = known.catalogue.assign(year=unknown, genres="")
    found = item_details(TrainingData(known.users, known.items, known.history, bare), [101])
    assert found == [{"item_id": 101, "title": "Film 101", "year": None, "genres": []}]
