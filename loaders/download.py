"""Files over HTTP: kept in the cache, asked for again only if they changed, taken up where a download broke off."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, RequestException, TooManyRedirects

from core.errors import DownloadError
from core.progress import report
from loaders.cache_slot import CacheSlot, Origin, Watch, disk_errors, shown

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 60.0
#: Answers that may be better a moment later.
_PASSING = (429, 500, 502, 503, 504)
#: Attempts that bring nothing before we give up; one that brings something is not counted.
_ATTEMPTS = 3
_PAUSE_S = 1.0
#: Bytes written at a time; what is lost at most when a connection breaks.
_CHUNK = 2**16
_BETWEEN_REPORTS_S = 0.5
#: ``MD5 (ml-25m.zip) = 6b51…`` or ``6b51…  ml-25m.zip``.
_MD5 = re.compile(r"(?:^|= ?)([0-9a-f]{32})(?:\s|$)", re.IGNORECASE | re.MULTILINE)
_LONGEST_MD5_FILE = 4096
_PLACE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<size>\d+|\*)", re.ASCII)


class _Broken(Exception):
    """An attempt failed; another may not."""


def download(url: str, path: Path, *, sha256: str = "", watch: Watch = report) -> str:
    """Fetch a file, unless it is there already and has not changed.

    A download that breaks off, or whose process is killed, is taken up where it was, if the server allows it and
    still has the same version. Two processes that want the same file fetch it once.

    Args:
        url: ``http://…`` or ``https://…``; redirects are followed, the system's proxies used.
        path: Where to keep it.
        sha256: Expected hash. Empty: the ``.md5`` that the server may have beside the file, as GroupLens does, is
            checked instead.
        watch: Told how far it is.

    Returns:
        How it was come by, for people, e.g. "downloaded, 1.0 MB".

    Raises:
        DataError: It has another hash than expected.
        DownloadError: The server does not answer, refuses or breaks off again and again, or the disk is full; a
            finished file from before is left as it was.
    """
    slot = CacheSlot(path)
    with slot.locked():
        known = slot.finished()
        if sha256 and slot.holds(sha256):
            return "cached, its SHA-256 is the one expected"
        with requests.Session() as session:
            # What is stored is what is sent: no packing on the way.
            session.headers["Accept-Encoding"] = "identity"
            return _Download(session, url, slot, None if sha256 else known, sha256, watch).run()


class _Download:
    """One file being fetched."""

    def __init__(
        self, session: requests.Session, url: str, slot: CacheSlot, known: Origin | None, sha256: str, watch: Watch
    ) -> None:
        self._session = session
        self._url = url
        self._slot = slot
        self._known = known
        self._sha256 = sha256
        self._watch = watch

    def run(self) -> str:
        """Fetch it, in as many attempts as it takes."""
        if self._known is not None and not (self._known.version or self._known.modified):
            return "cached; the server does not tell whether it has changed"
        fruitless, most = 0, self._slot.have()
        while True:
            try:
                return self._attempt()
            except _Broken as broken:
                # More than ever, not than before this attempt: a part that is dropped again and again would never end.
                fruitless = 0 if self._slot.have() > most else fruitless + 1
                most = max(most, self._slot.have())
                if self._known is not None:
                    return f"cached, because {broken}"
                if fruitless >= _ATTEMPTS:
                    raise DownloadError(
                        f"{shown(self._url)}: {broken}; try again: what has come so far is kept"
                    ) from broken
                if fruitless:
                    time.sleep(_PAUSE_S * 2 ** (fruitless - 1))

    def _attempt(self) -> str:
        begun = None if self._known is not None else self._slot.begun()
        if begun is not None and begun.size == self._slot.have():
            # The process before this one ended between the last byte and the file's own name.
            return self._finished(begun)
        with _network_errors(self._url), self._get(self._headers(begun)) as answer:
            if self._known is not None and answer.status_code == requests.codes.not_modified:
                return "cached, unchanged on the server"
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                # The part is no part of what the server has now.
                self._slot.drop()
                raise _Broken("the file on the server is shorter than what was fetched of it")
            if not answer.ok:
                self._refused(answer)
            self._known = None
            origin = self._prepared(answer, begun)
            self._keep(answer, origin)
        return self._finished(origin)

    def _finished(self, origin: Origin) -> str:
        with disk_errors(self._slot.path):
            self._slot.finish(origin, sha256=self._sha256, md5="" if self._sha256 else self._published_md5())
        size = self._slot.path.stat().st_size
        return f"downloaded, {size / 1e6:,.1f} MB"

    def _get(self, headers: dict[str, str]) -> requests.Response:
        timeout = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
        return self._session.get(self._url, headers=headers, stream=True, timeout=timeout)

    def _headers(self, begun: Origin | None) -> dict[str, str]:
        if self._known is not None:
            asked = {"If-None-Match": self._known.version, "If-Modified-Since": self._known.modified}
            return {name: value for name, value in asked.items() if value}
        have = self._slot.have()
        if begun is None or not have or not _validator(begun):
            return {}
        return {"Range": f"bytes={have}-", "If-Range": _validator(begun)}

    def _refused(self, answer: requests.Response) -> None:
        """Raise what an answer that is no file means."""
        what = f"the server answers {answer.status_code} {answer.reason}"
        if answer.status_code in _PASSING or self._known is not None:
            raise _Broken(what)
        raise DownloadError(f"{shown(self._url)}: {what}; give an address that can be read without logging in")

    def _prepared(self, answer: requests.Response, begun: Origin | None) -> Origin:
        """What the answer holds, the part being ready for it: as it is for a continuation, else empty."""
        have = self._slot.have()
        if answer.status_code == requests.codes.partial_content and begun is not None:
            if _continues(answer.headers, begun, have):
                return begun
            self._slot.drop()
            raise _Broken("the server sends another part of the file than it was asked for")
        length = answer.headers.get("Content-Length", "")
        packed = _is_packed(answer.headers)
        origin = Origin(
            shown(self._url),
            # Packed on the way although asked not to: neither length nor version is that of the file.
            version="" if packed else answer.headers.get("ETag", ""),
            modified="" if packed else answer.headers.get("Last-Modified", ""),
            size=int(length) if length.isdecimal() and not packed else None,
        )
        with disk_errors(self._slot.path):
            self._slot.begin(origin)
        return origin

    def _keep(self, answer: requests.Response, origin: Origin) -> None:
        """Write the answer to the part.

        Raises:
            _Broken: It is not complete.
            DownloadError: The disk is full; the part is gone, as it would fill the disk for nothing.
        """
        done, told = self._slot.have(), 0.0
        with self._slot.appending() as part:
            for chunk in answer.iter_content(_CHUNK):
                self._write(part, chunk)
                done += len(chunk)
                if time.monotonic() - told >= _BETWEEN_REPORTS_S:
                    told = time.monotonic()
                    self._tell(done, origin.size)
        if origin.size is not None and done != origin.size:
            raise _Broken(f"it ends after {done:,} of {origin.size:,} bytes")
        self._tell(done, done)

    def _write(self, part: IO[bytes], chunk: bytes) -> None:
        try:
            with disk_errors(self._slot.path):
                part.write(chunk)
                part.flush()
        except DownloadError:
            self._slot.drop()
            raise

    def _tell(self, done: int, total: int | None) -> None:
        self._watch("download", done, total or 0, f"{self._slot.path.name}: {done / 1e6:,.1f} MB")

    def _published_md5(self) -> str:
        """What a file of the same name with ``.md5`` after it says; empty if there is none."""
        address, query, rest = self._url.partition("?")
        try:
            timeout = (_CONNECT_TIMEOUT_S, _CONNECT_TIMEOUT_S)
            with self._session.get(f"{address}.md5{query}{rest}", stream=True, timeout=timeout) as answer:
                text = next(answer.iter_content(_LONGEST_MD5_FILE), b"") if answer.ok else b""
        except (RequestException, OSError):
            return ""
        found = _MD5.search(text.decode(errors="replace"))
        return found[1] if found else ""


def _is_packed(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Encoding", "identity") != "identity"


def _continues(headers: Mapping[str, str], begun: Origin, have: int) -> bool:
    """Whether a part of a file goes on where ours ends, in the same version."""
    same = headers.get("ETag", begun.version) == begun.version
    same &= headers.get("Last-Modified", begun.modified) == begun.modified
    place = _PLACE.fullmatch(headers.get("Content-Range", ""))
    if not same or _is_packed(headers) or place is None or int(place["start"]) != have:
        return False
    return begun.size is None or place["size"] in ("*", str(begun.size))


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    """Raise what requests raises as one of ours: what may pass as _Broken, what is wrong in itself as DownloadError."""
    try:
        yield
    except TooManyRedirects as error:
        raise DownloadError(f"{shown(url)}: redirects without end; give the address it should lead to") from error
    except (InvalidURL, InvalidSchema, MissingSchema) as error:
        # What requests says of it may hold a password.
        raise DownloadError(
            f"{shown(url)}: is no address that can be fetched, or leads to one; expected http://HOST/PATH or https://…"
        ) from error
    except RequestException as error:
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        raise _Broken(" ".join(str(cause).split()) or type(cause).__name__) from error


def _validator(begun: Origin) -> str:
    """What the server can be asked to check before it sends the rest: RFC 9110, 13.1.5 wants no weak ETag."""
    return begun.modified if begun.version.startswith("W/") else begun.version or begun.modified
