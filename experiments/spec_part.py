"""What every part of an experiment spec is: fixed once made, and strict about its fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the spec; a field that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
