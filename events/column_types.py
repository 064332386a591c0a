"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text

#: PostgreSQL would sort texts by its locale; SQLite and Python sort them by code point, and looks are replayed bit by
#: bit.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
#: SQLite's integers have 64 bits already. Elsewhere 250 commits a second would use up 32 bits in a hundred days.
BIG_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
