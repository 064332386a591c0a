"""What is to be said of lists side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.words import word
from experiments.figures import Language


def with_roles(arms: Sequence[Mapping[str, Any]], experiments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The variants of a preview, each with its "role": champion, previous (champion) or challenger.

    After a promotion the former champion is still served, to be compared with.

    Args:
        arms: ``GET /preview``'s variants.
        experiments: ``GET /experiments``.
    """
    replaced = {
        found["champion"]["version"]
        for found in experiments
        if found["state"] == "done" and found["decision"] == "promote"
    }
    return [{**arm, "role": _role(arm, replaced)} for arm in arms]


def _role(arm: Mapping[str, Any], replaced: set[str]) -> str:
    if arm["variant"] == "champion":
        return "champion"
    return "previous" if arm["version"] in replaced else "challenger"


def shared_items(arms: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Ids of the items that every list has; empty where there are fewer than two lists."""
    lists = [{item["item_id"] for item in arm["items"]} for arm in arms if not arm["error"]]
    return set.intersection(*lists) if len(lists) > 1 else set()


def comparison_text(arms: Sequence[Mapping[str, Any]], k: int, language: Language) -> str:
    """How much the lists have in common; empty where a list is missing.

    Args:
        arms: ``GET /preview``'s variants.
        k: How long the lists were to be.
        language: Of the text.
    """
    if len(arms) < 2:
        return word(language, "one_arm")
    if any(arm["error"] for arm in arms):
        return ""
    shared = len(shared_items(arms))
    return word(language, "shared", shared=str(shared), k=str(k)) if shared else word(language, "shared.none")
