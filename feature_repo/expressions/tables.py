"""What the expressions work on."""

from __future__ import annotations

from typing import NamedTuple

import ibis.expr.types as ir


class Tables(NamedTuple):
    """Ratings and what is known of items and users, and the rows to compute. Ids are of any one type.

    Attributes:
        ratings: user_id, item_id, stars (int64, millionths), liked (int64, 0 or 1), timestamp, and the place and moment
            from which on the rating is known.
        tags: item_id, tag, timestamp, place, moment.
        items: item_id, year (null where unknown), distinct.
        genres: item_id, genre, distinct.
        users: user_id, age, gender, occupation (null where unknown), distinct.
        moments: See ``expressions.moments.moment_frame``.
        user_rows: user_id, moment: the rows of users wanted.
        item_rows: item_id, moment: the rows of items wanted.
    """

    ratings: ir.Table
    tags: ir.Table
    items: ir.Table
    genres: ir.Table
    users: ir.Table
    moments: ir.Table
    user_rows: ir.Table
    item_rows: ir.Table
