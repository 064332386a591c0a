"""Names to classes: registries are explicit dicts of strings, resolved on use.

A registry looks like ``{"ease": "wrappers.ease:Ease"}``. Other packages add theirs through the entry-point
group ``screentest.<kind>s`` (``screentest.models``, ``screentest.loaders``, ``screentest.deployers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from core.errors import ConfigError, UnknownName

T = TypeVar("T")


def known(kind: str, registry: Mapping[str, str]) -> dict[str, str]:
    """The registry and what installed packages add to it; the registry wins over a plugin of the same name."""
    plugins = {point.name: point.value for point in entry_points(group=f"screentest.{kind}s")}
    return {**plugins, **registry}


def resolve(kind: str, name: str, registry: Mapping[str, str], *, base: type[T], where: str) -> type[T]:
    """Import the class registered under a name.

    Args:
        kind: What is looked for, e.g. "model"; used in messages and as the entry-point group.
        name: The registered name.
        registry: ``{name: "module:Class"}``.
        base: The class that the result must be a subclass of.
        where: The registry's file, for the message.

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: The module is missing, the class is missing, or it is no subclass of ``base``.
    """
    names = known(kind, registry)
    if name not in names:
        raise UnknownName(kind, name, names, where)
    target = names[name]
    module_name, _, class_name = target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{kind} {name!r} is registered as {target!r} but module {error.name!r} is missing; "
            f"install it or mend {where}"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ConfigError(
            f"{kind} {name!r} is registered as {target!r} but {module_name} has no {class_name!r}; mend {where}"
        )
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"{kind} {name!r} ({target}) is not a {base.__name__}; mend the class or {where}")
    return found
