"""Downloads from a real server, and from servers that misbehave."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from core.errors import DataError, DownloadError, ScreentestError
from loaders import download as module
from loaders.cache_slot import Origin
from loaders.download import download
from tests.file_server import Served, serving

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    with serving({"/ml.zip": CONTENT}) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "ml.zip"


def fetch(served: Served, target: Path, **options: str) -> str:
    return download(f"{served.address}/ml.zip", target, **options)


def refusal(served: Served, target: Path, kind: type[ScreentestError] = DownloadError, **options: str) -> str:
    with pytest.raises(kind) as caught:
        fetch(served, target, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def left(target: Path) -> list[str]:
    """What lies beside the target that a reader would take for data."""
    return sorted(path.name for path in target.parent.iterdir() if not path.name.startswith("."))


def test_a_file_comes_whole_and_its_progress_is_told(
    served: Served, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = fetch(served, target)

    assert target.read_bytes() == CONTENT
    assert how == "downloaded, 1.0 MB"
    assert f"[progress] download {len(CONTENT)}/{len(CONTENT)} ml.zip: 1.0 MB" in capsys.readouterr().out
    assert served.asked("Accept-Encoding") == ["identity"]


def test_a_second_use_does_not_download(served: Served, target: Path) -> None:
    fetch(served, target)

    assert fetch(served, target) == "cached, unchanged on the server"
    assert served.asked("If-None-Match") == ["", '"one"']


def test_a_server_that_tells_a_date_only_is_asked_by_date(served: Served, target: Path) -> None:
    served.etag, served.modified = "", "Wed, 26 Sep 2018 12:00:00 GMT"
    fetch(served, target)

    assert fetch(served, target) == "cached, unchanged on the server"
    assert served.asked("If-Modified-Since")[1] == served.modified


def test_a_file_that_changed_is_fetched_again(served: Served, target: Path) -> None:
    fetch(served, target)
    served.files["/ml.zip"], served.etag = b"another", '"two"'

    assert fetch(served, target).startswith("downloaded")
    assert target.read_bytes() == b"another"


def test_without_any_version_the_cached_file_is_taken(served: Served, target: Path) -> None:
    served.etag = ""
    fetch(served, target)

    assert fetch(served, target) == "cached; the server does not tell whether it has changed"
    assert len(served.requests) == 2  # the file and its .md5


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_fails_later_does_not_take_the_cached_file_away(
    status: int, served: Served, target: Path
) -> None:
    fetch(served, target)
    served.statuses = [status]

    assert fetch(served, target).startswith(f"cached, because the server answers {status}")


def test_offline_the_cached_file_is_taken(tmp_path: Path, target: Path) -> None:
    with serving({"/ml.zip": CONTENT}) as served:
        fetch(served, target)

    assert "refused" in fetch(served, target)
    assert target.read_bytes() == CONTENT


def test_a_cached_file_that_somebody_cut_is_fetched_again(served: Served, target: Path) -> None:
    fetch(served, target)
    target.write_bytes(CONTENT[:100])

    fetch(served, target)

    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_broke(served: Served, target: Path) -> None:
    served.breaks_after = [300_000, 2**16]

    fetch(served, target)

    assert target.read_bytes() == CONTENT
    assert served.asked("Range") == ["", "bytes=262144-", "bytes=327680-"]
    assert served.asked("If-Range") == ["", '"one"', '"one"']


def test_a_server_without_ranges_starts_again(served: Served, target: Path) -> None:
    served.ranges = False
    served.breaks_after = [300_000]

    fetch(served, target)

    assert target.read_bytes() == CONTENT


def test_a_file_that_changes_between_two_attempts_is_not_glued_together(served: Served, target: Path) -> None:
    served.breaks_after = [300_000, 0, 0, 0, 0]
    refusal(served, target)
    served.breaks_after = []
    served.files["/ml.zip"], served.etag = CONTENT[::-1], '"two"'

    fetch(served, target)

    assert target.read_bytes() == CONTENT[::-1]


def test_a_weak_etag_is_no_ground_for_a_range(served: Served, target: Path) -> None:
    served.etag = 'W/"one"'
    served.breaks_after = [300_000]

    fetch(served, target)

    assert target.read_bytes() == CONTENT
    assert served.asked("Range") == ["", ""]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(served: Served, target: Path) -> None:
    served.breaks_after = [300_000, 0, 0, 0, 0]
    refusal(served, target)
    served.breaks_after = []
    served.files["/ml.zip"] = b"short"

    fetch(served, target)

    assert target.read_bytes() == b"short"


def test_an_answer_cut_short_again_and_again_is_one_line_and_leaves_nothing(served: Served, target: Path) -> None:
    served.breaks_after = [1000] + [0] * 10

    assert "try again: what has come so far is kept" in refusal(served, target)
    assert left(target) == []


def test_a_length_that_is_not_told_is_no_obstacle(served: Served, target: Path) -> None:
    served.tells_length = False

    fetch(served, target)

    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_one_line(status: int, served: Served, target: Path) -> None:
    served.statuses = [status]

    assert f"{served.address}/ml.zip: the server answers {status}" in refusal(served, target)
    assert len(served.requests) == 1
    assert left(target) == []


def test_a_server_that_is_ill_for_a_moment_is_asked_again(served: Served, target: Path) -> None:
    served.statuses = [500, 503]

    fetch(served, target)

    assert target.read_bytes() == CONTENT


def test_a_server_that_stays_ill_is_given_up(served: Served, target: Path) -> None:
    served.statuses = [500] * 20

    assert "the server answers 500" in refusal(served, target)


def test_nobody_listens(served: Served, target: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        download("http://127.0.0.1:9/ml.zip", target)


def test_a_redirect_is_followed(served: Served, target: Path) -> None:
    served.redirects["/old.zip"] = f"{served.address}/ml.zip"

    download(f"{served.address}/old.zip", target)

    assert target.read_bytes() == CONTENT


def test_redirects_in_a_circle_end(served: Served, target: Path) -> None:
    served.redirects["/ml.zip"] = "/ml.zip"

    assert "redirects" in refusal(served, target)


def test_the_hash_the_user_expects_is_checked(served: Served, target: Path) -> None:
    fetch(served, target, sha256=SHA256.upper())
    assert fetch(served, target, sha256=SHA256) == "cached, its SHA-256 is the one expected"
    assert len(served.requests) == 1

    assert f"has the SHA-256 {SHA256}; expected {'0' * 64}" in refusal(served, target, DataError, sha256="0" * 64)
    assert target.read_bytes() == CONTENT


def test_the_hash_is_that_of_the_file_as_it_lies_there(served: Served, target: Path) -> None:
    fetch(served, target, sha256=SHA256)
    target.write_bytes(CONTENT[::-1])

    assert fetch(served, target, sha256=SHA256).startswith("downloaded")
    assert target.read_bytes() == CONTENT


def test_a_file_that_somebody_put_there_is_taken_if_it_has_the_hash(served: Served, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)

    assert fetch(served, target, sha256=SHA256) == "cached, its SHA-256 is the one expected"
    assert served.requests == []


@pytest.mark.parametrize("text", [f"MD5 (ml.zip) = {MD5}\n", f"{MD5}  ml.zip\n", MD5.upper()])
def test_the_md5_published_beside_the_file_is_checked(text: str, served: Served, target: Path) -> None:
    served.files["/ml.zip.md5"] = text.encode()
    fetch(served, target)

    served.files["/ml.zip"], served.etag = CONTENT[::-1], '"two"'
    assert f"and {MD5} is published for it: damaged on the way" in refusal(served, target)
    assert target.read_bytes() == CONTENT


def test_a_page_in_the_place_of_an_md5_is_no_md5(served: Served, target: Path) -> None:
    served.files["/ml.zip.md5"] = b"<html>Welcome, please log in</html>"

    assert fetch(served, target) == "downloaded, 1.0 MB"


def test_an_md5_that_breaks_off_is_no_md5(served: Served, target: Path) -> None:
    served.files["/ml.zip.md5"], served.md5_breaks_after = MD5.encode(), 10

    assert fetch(served, target) == "downloaded, 1.0 MB"


def test_parts_that_never_fit_are_not_asked_for_without_end(served: Served, target: Path) -> None:
    served.shift, served.breaks_after = 1, [300_000] * 40

    refusal(served, target)

    assert len(served.requests) < 10


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        ({}, True),
        ({"ETag": '"one"', "Last-Modified": "Monday"}, True),
        ({"ETag": '"two"'}, False),
        ({"Last-Modified": "Tuesday"}, False),
        ({"Content-Encoding": "gzip"}, False),
        ({"Content-Range": "bytes 5-9/*"}, True),
        ({"Content-Range": "bytes 5-9/11"}, False),
        ({"Content-Range": "bytes 50-59/10"}, False),
        ({"Content-Range": ""}, False),
    ],
)
def test_a_part_is_glued_on_only_if_it_fits(headers: dict[str, str], right: bool) -> None:
    begun = Origin("http://here", version='"one"', modified="Monday", size=10)
    assert module._continues({"Content-Range": "bytes 5-9/10", **headers}, begun, 5) is right


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(served: Served, target: Path) -> None:
    served.redirects["/ml.zip"] = "file:///etc/hostname"

    assert "or leads to one" in refusal(served, target)
    assert left(target) == []


def test_secrets_of_an_address_are_not_told(served: Served, target: Path) -> None:
    served.statuses = [403]
    address = f"{served.address.replace('//', '//me:secret@')}/ml.zip?signature=hidden"

    with pytest.raises(DownloadError) as caught:
        download(address, target)

    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(("killed_at", "ranges"), [(1, 1), (len(CONTENT), 0)])
def test_a_killed_download_is_taken_up(killed_at: int, ranges: int, served: Served, target: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from loaders.download import download\n"
        "def watch(stage, done, total, text):\n"
        f"    if done >= {killed_at}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "download(sys.argv[1], Path(sys.argv[2]), watch=watch)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, f"{served.address}/ml.zip", str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert left(target) == []

    fetch(served, target)

    assert target.read_bytes() == CONTENT
    assert sum(range.startswith("bytes=") for range in served.asked("Range")) == ranges
    assert len(served.asked("Range")) == 1 + ranges


def test_two_that_want_the_same_file_fetch_it_once(served: Served, target: Path) -> None:
    said: list[str] = []
    threads = [Thread(target=lambda: said.append(fetch(served, target))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(said) == ["cached, unchanged on the server"] * 3 + ["downloaded, 1.0 MB"]
    assert target.read_bytes() == CONTENT


def test_a_full_disk_is_one_line_and_leaves_nothing(served: Served, target: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from core.errors import DownloadError\n"
        "from loaders.download import download\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    download(sys.argv[1], Path(sys.argv[2]))\n"
        "except DownloadError as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, f"{served.address}/ml.zip", str(target)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert ended.stdout.splitlines()[-1] == (
        f"{target} cannot be kept (File too large); make room, or set cache_dir to another place"
    )
    assert [path.name for path in target.parent.iterdir() if path.stat().st_size] == []


def test_a_cache_that_cannot_be_written_is_named(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert "ml.zip cannot be kept (File exists)" in refusal(served, tmp_path / "file" / "ml.zip")
