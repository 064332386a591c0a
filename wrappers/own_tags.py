"""Tags that tell nothing of ratings somebody held out."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from core.interactions import Interactions


def without_foreign_tags(interactions: Interactions) -> Interactions:
    """Without tags of items that their user did not rate here: they tell of ratings that were held out."""
    pair = ["user_id", "item_id"]
    if interactions.tags.empty:
        return interactions
    rated = pd.MultiIndex.from_frame(interactions.ratings[pair])
    own = pd.MultiIndex.from_frame(interactions.tags[pair]).isin(rated)
    return replace(interactions, tags=interactions.tags[own].reset_index(drop=True))
