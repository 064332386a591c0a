"""An HTML page as a test sees it: elements, visible text, and whether every tag is closed where it should be."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "br", "hr", "img"}
_HIDDEN = {"style", "script", "title"}


class PageOutline(HTMLParser):
    """Parses a page at once.

    Args:
        html: The page.

    Raises:
        AssertionError: A tag is closed that is not the open one, or one is left open.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element; void ones have no end."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of a drawing that closes itself."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """The end must be that of the element opened last."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> at {self.getpos()} closes another element"

    def handle_data(self, data: str) -> None:
        """Keep what a reader sees."""
        if data.strip() and not (self._open and self._open[-1] in _HIDDEN):
            self.texts.append(" ".join(data.replace("\u2060", "").split()))

    @property
    def text(self) -> str:
        """All visible text, one piece a line, no-break spaces as spaces."""
        return "\n".join(self.texts)

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute, in page order."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def count(self, tag: str) -> int:
        """How many elements of a kind there are."""
        return sum(found == tag for found, _ in self.elements)
