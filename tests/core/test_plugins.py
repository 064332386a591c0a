import pytest

from core.errors import ConfigError, ScreentestError, UnknownName
from core.plugins import resolve

REGISTRY = {
    "good": "core.errors:DataError",
    "no_module": "core.nowhere:Thing",
    "no_class": "core.errors:Nowhere",
    "wrong_base": "core.ids:IdIndex",
}


def find(name: str) -> type:
    return resolve("error", name, REGISTRY, base=ScreentestError, where="tests")


def test_a_registered_class_is_found() -> None:
    assert find("good").__name__ == "DataError"


def test_each_way_to_fail_is_told_apart() -> None:
    with pytest.raises(UnknownName, match=r"unknown error 'goood'; known: good, no_class, .* \(tests\)"):
        find("goood")
    with pytest.raises(ConfigError, match=r"module 'core\.nowhere' is missing"):
        find("no_module")
    with pytest.raises(ConfigError, match=r"core\.errors has no 'Nowhere'"):
        find("no_class")
    with pytest.raises(ConfigError, match="is not a ScreentestError"):
        find("wrong_base")
