"""What a user can do with an item of a list, as events, metrics and HTTP name it."""

from __future__ import annotations

from typing import Literal, get_args

EventKind = Literal["add_to_cart", "click", "like", "purchase", "rating", "share", "view"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
