"""What items are tagged with."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from feature_repo.expressions.exact import NAT, exact, ratio
from feature_repo.expressions.running import running


def item_tags(tags: ir.Table, item_rows: ir.Table) -> ir.Table:
    """Number and Shannon entropy of an item's tags.

    With c of n tags alike the entropy is log n - sum(c log c) / n. A tag that makes c - 1 alike into c adds
    c log c - (c - 1) log(c - 1) to the sum, so the sum runs along with time.

    Args:
        tags: item_id, tag, timestamp, moment.
        item_rows: item_id, moment: the rows wanted.

    Returns:
        item_id, moment, tag_count, tag_diversity (nats; 0 without tags).
    """
    lower = tags.mutate(tag=tags.tag.lower())
    alike = ibis.row_number().over(group_by=[lower.item_id, lower.tag], order_by=lower.timestamp)
    placed = lower.mutate(before=alike.cast("float64"))
    c = placed.before + 1.0
    before = ibis.ifelse(placed.before > 0.0, placed.before * ibis.greatest(placed.before, 1.0).ln(), 0.0)
    added = placed.mutate(added=exact(c * c.ln() - before, NAT))
    changes = added.group_by("item_id", "moment").agg(tag_count=added.count(), repeats=added.added.sum())
    totals = running(item_rows, changes, ["item_id"], sums=["tag_count", "repeats"])
    n = totals.tag_count.cast("float64")
    entropy = ibis.greatest(n, 1.0).ln() - ratio(totals.repeats, n, float(NAT))
    return totals.select("item_id", "moment", tag_count=n, tag_diversity=ibis.greatest(entropy.fill_null(0.0), 0.0))
