"""Why an item stands in a list, in no language yet."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["rated", "features", "popular", "cold", "new", "chance"]


class Cause(NamedTuple):
    """What the reason for one item says.

    Attributes:
        kind: ``rated``: what the user rated speaks for it. ``features``: it stands out among the user's candidates.
            ``popular``: many rated it, and the model looks at nothing else. ``cold``: the same, because there is
            nothing to go by. ``new``: it stands in an exploration slot. ``chance``: a negative control put it there.
        confidence: How much of what speaks for the item, in this model and for this user, the reason names: 0 (nothing,
            or it cannot be told) … 1 (all of it). It grows with the share of those named and with nothing else. It is
            no probability that the user likes the item, and says nothing about how good the model is.
        titles: What the user rated that speaks for it most; at most two, most first.
        is_partial: What else the user rated speaks for it too.
        terms: What the item has in common with what the user rated; see ``RecommenderWrapper.shared_terms``.
        features: Keys of :mod:`wrappers.feature_causes`, each with a genre or an empty text; at most two.
        n_raters: Users who rated the item in training.
        is_top: The item is among the tenth that most users rated, and more than one did.
    """

    kind: Kind
    confidence: float
    titles: tuple[str, ...] = ()
    is_partial: bool = False
    terms: tuple[str, ...] = ()
    features: tuple[tuple[str, str], ...] = ()
    n_raters: int = 0
    is_top: bool = False
