"""Addresses that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigError, DownloadError, ScreentestError
from loaders.fetch import fetch


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("http://me:secret@host:port/x.zip", DownloadError),
        ("http://me:secret@/x.zip", DownloadError),
        ("http://me:secret@[host/x.zip", ConfigError),
        ("s3://me:secret@host/x.zip", ConfigError),
    ],
)
def test_an_address_that_is_none_is_one_line_without_its_secrets(
    address: str, kind: type[ScreentestError], tmp_path: Path
) -> None:
    with pytest.raises(kind, match="expected http") as caught:
        fetch(address, tmp_path)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
