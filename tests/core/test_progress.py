import pytest

from core.progress import Progress, parse, report


def test_what_is_reported_is_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    report("traffic", 3, 10, "step 5 %")

    assert parse("    " + capsys.readouterr().out.rstrip("\n")) == Progress("traffic", 3, 10, "step 5 %")


def test_other_lines_are_not_progress() -> None:
    assert parse("traffic 3/10") is None
    assert parse("[progress] traffic three/10") is None
