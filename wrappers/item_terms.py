"""Items described by terms - genres, tags, words of titles, years - as weighted, sparse rows of length 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions
from wrappers.function_words import FUNCTION_WORDS

Field = Literal["genre", "tag", "title", "year"]
FIELDS: tuple[Field, ...] = ("genre", "tag", "title", "year")


class ItemTerms(NamedTuple):
    """What items are.

    Attributes:
        matrix: (n_items, n_terms) float32, rows of length 1; empty rows where nothing tells an item from the others.
        vocabulary: The terms, ascending, as ``field:value``: ``genre:Drama``, ``tag:dark comedy``, ``title:star``,
            ``year:1995``, ``year:1990s``.
    """

    matrix: sparse.csr_array[Any, Any]
    vocabulary: tuple[str, ...]


def item_terms(
    interactions: Interactions, items: IdIndex, *, weights: Mapping[Field, float], min_items: int
) -> ItemTerms:
    """Describe items by TF-IDF within each field, and weigh the fields.

    A term that n_t of n items have, c times in this one (a tag may come from several users), weighs

        (1 + ln c) ln(n / n_t)

    (Manning, Raghavan & Schütze 2008, eq. 6.8 and 6.13), so that what all have tells nothing. Each field of an item is
    scaled to length sqrt(weight) and the item to 1: where both items have all fields, their cosine is the weighted mean
    of the cosines of their fields.

    Args:
        interactions: Item table, genres and tags; ratings are not looked at.
        items: The rows; those without a row in the item table, genres or tags are described by what there is.
        weights: Of each field, >= 0; a field of weight 0, or that is missing here, is left out.
        min_items: Items that must have a term for it to count.

    Raises:
        ValueError: No field has a weight above 0.
    """
    tables = {"genre": _genres, "tag": _tags, "title": _title_words, "year": _years}
    used = [field for field in FIELDS if weights.get(field, 0) > 0]
    if not used:
        raise ValueError(f"weights == {dict(weights)}, one must be > 0")
    counted = pd.concat([_counted(field, tables[field](interactions), items) for field in used], ignore_index=True)
    n_with = counted.groupby("term")["item"].transform("size").to_numpy()
    counted, n_with = counted[n_with >= min_items], n_with[n_with >= min_items]
    vocabulary, column = np.unique(counted["term"].to_numpy(str), return_inverse=True)
    value = (1 + np.log(counted["n"].to_numpy())) * np.log(len(items) / n_with)
    row, field = counted["item"].to_numpy(), counted["field"].to_numpy()
    value = _scaled(value, row * len(FIELDS) + field)
    value *= np.sqrt([weights.get(name, 0) for name in FIELDS])[field]
    value = _scaled(value, row)
    matrix = sparse.csr_array((value.astype(np.float32), (row, column)), shape=(len(items), len(vocabulary)))
    matrix.eliminate_zeros()
    return ItemTerms(matrix, tuple(vocabulary.tolist()))


def as_reason(term: str) -> str | None:
    """A term of the vocabulary as a reason names it.

    Args:
        term: One of :class:`ItemTerms`.

    Returns:
        The term, a decade as ``decade:1990s``; None for a word of a title that says nothing of it.

    >>> as_reason("title:star"), as_reason("title:le"), as_reason("year:1990s")
    ('title:star', None, 'decade:1990s')
    """
    field, _, value = term.partition(":")
    if field == "title" and value in FUNCTION_WORDS:
        return None
    return f"decade:{value}" if field == "year" and value.endswith("s") else term


def _scaled(value: npt.NDArray[np.float64], group: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The values divided by their group's length; a group of zeros stays."""
    length = np.sqrt(np.bincount(group, weights=value**2)) if len(value) else np.empty(0)
    return value / np.maximum(length, np.finfo(float).tiny)[group]


def _counted(field: Field, table: pd.DataFrame, items: IdIndex) -> pd.DataFrame:
    """How often each known item has each term: item (its index), term, n >= 1, field (its number)."""
    index = items.index_of(table["item_id"].to_numpy())
    known = pd.DataFrame({"item": index, "value": table["value"]})[index != UNKNOWN].dropna()
    # People break lines in titles, and put more spaces than one.
    known["value"] = known["value"].astype(str).str.split().str.join(" ")
    counted = known.groupby(["item", "value"]).size().rename("n").reset_index()
    counted["term"] = f"{field}:" + counted.pop("value")
    return counted.assign(field=FIELDS.index(field))


def _genres(interactions: Interactions) -> pd.DataFrame:
    return interactions.genres.rename(columns={"genre": "value"})


def _tags(interactions: Interactions) -> pd.DataFrame:
    """Tags are what anybody wrote, in any case."""
    return pd.DataFrame(
        {"item_id": interactions.tags["item_id"], "value": interactions.tags["tag"].astype(str).str.lower()}
    )


def _title_words(interactions: Interactions) -> pd.DataFrame:
    """Words of two characters and more; the year at a title's end is a field of its own."""
    title = interactions.items["title"].astype(str).str.lower().str.replace(r"\(\d{4}\)\s*$", "", regex=True)
    words = title.str.findall(r"\w{2,}")
    return pd.DataFrame({"item_id": interactions.items["item_id"], "value": words}).explode("value")


def _years(interactions: Interactions) -> pd.DataFrame:
    """The year and its decade."""
    if "year" not in interactions.items:
        return pd.DataFrame({"item_id": interactions.items["item_id"].iloc[:0], "value": pd.Series(dtype=str)})
    dated = interactions.items[interactions.items["year"].notna()]
    year = dated["year"].astype(int)
    values = [year.astype(str), (year // 10 * 10).astype(str) + "s"]
    return pd.concat([pd.DataFrame({"item_id": dated["item_id"], "value": value}) for value in values])
