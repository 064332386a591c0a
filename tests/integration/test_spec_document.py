"""The specs that docs/SPEC.md shows are specs, and it names every field there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml

from core.event_kinds import EVENT_KINDS
from experiments.bandits.registry import BANDITS
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_part import Part

PAGE = (Path(__file__).parents[2] / "docs" / "SPEC.md").read_text(encoding="utf-8")
#: Said where the defaults are: not everybody needs them.
NOT_SHOWN = {"salt", "srm_alpha", "max_empty_rate", "key"}


def test_every_spec_in_it_is_one() -> None:
    specs = [parse_spec(yaml.safe_load(text)) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    assert [spec.traffic.policy for spec in specs] == ["rollout", "fixed", "bandit"]


def fields(part: Any) -> Iterator[str]:
    if isinstance(part, type) and not get_args(part) and issubclass(part, Part):
        for name, field in part.model_fields.items():
            yield name
            yield from fields(field.annotation)
    for inner in get_args(part):
        yield from fields(inner)


def test_it_names_every_field_event_and_bandit() -> None:
    for name in {*fields(ExperimentSpec), *EVENT_KINDS, *BANDITS} - NOT_SHOWN:
        assert re.search(rf"\b{name}\b", PAGE), name
