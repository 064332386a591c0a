"""One shape per genre, drawn in the upper 160 x 142 pixels of a cover.

A shape gets its genre's light, a second light and a whim in 0 … 1 that varies it from cover to cover, and returns SVG.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

Shape = Callable[[str, str, float], str]


def burst(light: str, second: str, whim: float) -> str:
    """An explosion: rays from one point."""
    x, y = 60 + 40 * whim, 74
    rays = []
    for ray in range(16):
        angle = 2 * pi * (ray + whim) / 16
        reach = 150 if ray % 2 else 62
        a, b = angle - 0.07, angle + 0.07
        rays.append(f"M{x:.1f} {y}L{x + reach * cos(a):.1f} {y + reach * sin(a):.1f}")
        rays.append(f"L{x + reach * cos(b):.1f} {y + reach * sin(b):.1f}Z")
    return (
        f'<path d="{"".join(rays)}" fill="{light}" opacity=".85"/>'
        f'<circle cx="{x:.1f}" cy="{y}" r="21" fill="{second}"/>'
    )


def peaks(light: str, second: str, whim: float) -> str:
    """Mountains before a sun."""
    sun, top = 40 + 80 * whim, 54 + 30 * whim
    return (
        f'<circle cx="{sun:.1f}" cy="50" r="24" fill="{second}"/>'
        f'<path d="M-10 142L{top:.1f} 48L{top + 66:.1f} 142Z" fill="{light}" opacity=".95"/>'
        f'<path d="M{top - 10:.1f} 62.6L{top:.1f} 48L{top + 11:.1f} 63.6L{top + 1:.1f} 72Z" fill="#fff" opacity=".9"/>'
        f'<path d="M56 142L{top + 60:.1f} 80L178 142Z" fill="{light}" opacity=".55"/>'
    )


def bounce(light: str, second: str, whim: float) -> str:
    """A ball on its way, frame by frame."""
    frames = []
    for frame in range(7):
        along = frame / 6
        x, y = 14 + 132 * along, 118 - 84 * abs(cos(pi * (along * 1.5 + 0.16 * whim)))
        last = frame == 6
        frames.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{8 + 2.2 * frame:.1f}" fill="{second if last else light}" '
            f'opacity="{1 if last else 0.18 + 0.11 * frame:.2f}"/>'
        )
    return "".join(frames)


def balloons(light: str, second: str, whim: float) -> str:
    """Three balloons on their strings."""
    drift = 12 * (whim - 0.5)
    parts = []
    for x, y, r, colour in ((50, 56, 25, light), (108, 46, 21, second), (84, 82, 19, "#ffffff")):
        x += drift
        parts.append(
            f'<path d="M{x:.1f} {y + r}Q{x + 8:.1f} {y + r + 22} 80 146" fill="none" stroke="#fff" opacity=".6"/>'
            f'<ellipse cx="{x:.1f}" cy="{y}" rx="{r * 0.86:.1f}" ry="{r}" fill="{colour}"/>'
            f'<ellipse cx="{x - r * 0.3:.1f}" cy="{y - r * 0.4:.1f}" rx="{r * 0.16:.1f}" ry="{r * 0.26:.1f}" '
            'fill="#fff" opacity=".7"/>'
        )
    return "".join(parts)


def smile(light: str, second: str, whim: float) -> str:
    """A face that laughs."""
    tilt = 36 * (whim - 0.5)
    return (
        f'<g transform="rotate({tilt:.1f} 80 74)"><circle cx="80" cy="74" r="50" fill="{light}"/>'
        '<path d="M50 78a30 30 0 0 0 60 0z" fill="#2a1503"/><path d="M56 84q24 9 48 0l-1 -6h-46z" fill="#fff"/>'
        '<path d="M54 62q8 -12 16 0M90 62q8 -12 16 0" fill="none" stroke="#2a1503" stroke-width="5" '
        f'stroke-linecap="round"/></g><circle cx="20" cy="26" r="6" fill="{second}"/>'
        f'<circle cx="142" cy="118" r="9" fill="{second}"/>'
    )


def whorl(light: str, second: str, whim: float) -> str:
    """A fingerprint."""
    lines = []
    for line in range(7):
        rx, ry = 8 + 8 * line, 10 + 9.5 * line
        gap = 14 + 12 * ((line * 7 + int(whim * 10)) % 5)
        lines.append(
            f'<ellipse cx="80" cy="76" rx="{rx}" ry="{ry}" fill="none" stroke="{second if line == 3 else light}" '
            f'stroke-width="4.4" stroke-linecap="round" stroke-dasharray="{60 + gap * line} {gap}" '
            f'stroke-dashoffset="{line * 31 * (1 + whim):.0f}"/>'
        )
    return f'<g transform="rotate({-16 + 20 * whim:.1f} 80 76)">{"".join(lines)}</g>'


def lens(light: str, second: str, whim: float) -> str:
    """A lens with its blades."""
    blades = []
    for blade in range(6):
        a = pi / 3 * blade + whim
        x1, y1, x2, y2 = 80 + 48 * cos(a), 74 + 48 * sin(a), 80 + 20 * cos(a + 1.4), 74 + 20 * sin(a + 1.4)
        blades.append(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}")
    return (
        f'<circle cx="80" cy="74" r="48" fill="{light}" opacity=".22"/>'
        f'<circle cx="80" cy="74" r="48" fill="none" stroke="{light}" stroke-width="6"/>'
        f'<path d="{"".join(blades)}" stroke="{light}" stroke-width="4"/>'
        f'<circle cx="80" cy="74" r="16" fill="{second}"/>'
        f'<path d="M12 30v-16h16M132 14h16v16M148 118v16h-16M28 134h-16v-16" fill="none" stroke="{light}" '
        'stroke-width="3" opacity=".8"/>'
    )


def masks(light: str, second: str, whim: float) -> str:
    """Light and shade of one face."""
    x = 66 + 10 * whim
    return (
        f'<circle cx="{x:.1f}" cy="70" r="46" fill="{light}"/>'
        f'<circle cx="{x + 32:.1f}" cy="82" r="46" fill="{second}" opacity=".55"/>'
        f'<path d="M{x - 24:.1f} 62q9 -9 18 0M{x + 6:.1f} 62q9 -9 18 0" fill="none" stroke="#10213f" '
        'stroke-width="4.5" stroke-linecap="round"/>'
        f'<path d="M{x - 18:.1f} 96q18 -16 36 0" fill="none" stroke="#10213f" stroke-width="4.5" '
        'stroke-linecap="round"/>'
    )


def spires(light: str, second: str, whim: float) -> str:
    """A castle under a moon."""
    moon = 112 + 16 * whim
    towers = "".join(
        f"M{x} 142V{y}l{w} -26l{w} 26V142Z" for x, y, w in ((22, 92, 10), (48, 66, 12), (78, 84, 9), (102, 104, 11))
    )
    stars = "".join(
        f'<circle cx="{20 + 37 * star:.0f}" cy="{16 + 23 * ((star * whim * 7) % 1):.0f}" r="1.8" fill="#fff"/>'
        for star in range(4)
    )
    return (
        f'<circle cx="{moon:.1f}" cy="42" r="22" fill="{second}"/><path d="{towers}" fill="{light}"/>'
        f'<path d="M16 142v-22h112v22z" fill="{light}" opacity=".8"/>{stars}'
    )


def blinds(light: str, second: str, whim: float) -> str:
    """Light through a blind."""
    slant = 12 + 22 * whim
    slats = "".join(f"M-10 {y}l180 {-slant:.0f}v9l-180 {slant:.0f}z" for y in range(22, 176, 19))
    return (
        f'<path d="{slats}" fill="{light}" opacity=".8"/>'
        f'<path d="M92 142q-4 -34 10 -42q-14 -26 6 -30l-12 -4q6 -16 24 -14t18 16l12 6q-8 4 -16 4q14 14 4 26'
        f'q18 12 14 38z" fill="#0b0b0e"/><circle cx="{26 + 10 * whim:.0f}" cy="30" r="5" fill="{second}"/>'
    )


def fangs(light: str, second: str, whim: float) -> str:
    """Teeth that close."""
    upper = "".join(
        f"L{8 + 16 * tooth} {34 if tooth % 2 else 66 + 18 * ((tooth * whim) % 1):.0f}" for tooth in range(10)
    )
    lower = "".join(f"L{8 + 16 * tooth} {124 if tooth % 2 else 98:.0f}" for tooth in range(10))
    return (
        f'<path d="M-8 0{upper}L168 0Z" fill="{light}"/><path d="M-8 142{lower}L168 142Z" fill="{light}" '
        f'opacity=".75"/><circle cx="{52 + 8 * whim:.0f}" cy="20" r="6" fill="{second}" stroke="#1c1013" '
        f'stroke-width="3"/><circle cx="{98 + 8 * whim:.0f}" cy="20" r="6" fill="{second}" stroke="#1c1013" '
        'stroke-width="3"/>'
    )


def screen(light: str, second: str, whim: float) -> str:
    """A screen as wide as the room."""
    horizon = 62 + 24 * whim
    return (
        f'<path d="M8 28q72 14 144 0v84q-72 -14 -144 0z" fill="{light}"/>'
        f'<path d="M8 {horizon:.0f}q40 -18 74 4t70 -2V112q-72 -14 -144 0z" fill="{second}" opacity=".75"/>'
        '<path d="M14 134h10M34 130h10M54 128h10M74 127h10M94 128h10M114 130h10M134 134h10" stroke="#fff" '
        'stroke-width="6" stroke-linecap="round" opacity=".5"/>'
    )


def bars(light: str, second: str, whim: float) -> str:
    """Sound, bar by bar."""
    parts = []
    for bar in range(9):
        height = 22 + 92 * abs(sin(1.1 * bar + 5 * whim))
        parts.append(
            f'<rect x="{12 + 15.6 * bar:.1f}" y="{130 - height:.1f}" width="10" height="{height:.1f}" rx="5" '
            f'fill="{second if bar % 4 == 2 else light}"/>'
        )
    return "".join(parts)


def keyhole(light: str, second: str, whim: float) -> str:
    """A keyhole, and somebody's light behind it."""
    return (
        f'<circle cx="80" cy="74" r="{54 + 6 * whim:.0f}" fill="{light}" opacity=".18"/>'
        f'<circle cx="80" cy="74" r="44" fill="{light}" opacity=".3"/>'
        f'<path d="M80 30a22 22 0 0 1 12 40l10 48h-44l10 -48a22 22 0 0 1 12 -40z" fill="{light}"/>'
        f'<circle cx="80" cy="{50 + 4 * whim:.0f}" r="7" fill="{second}" stroke="#1d3a45" stroke-width="3"/>'
    )


def hearts(light: str, second: str, whim: float) -> str:
    """Two hearts."""
    heart = "M0 30C-34 6 -26 -22 -8 -22Q-1 -22 0 -13Q1 -22 8 -22C26 -22 34 6 0 30Z"
    return (
        f'<path transform="translate({62 - 8 * whim:.1f} 70) rotate({-14 + 8 * whim:.0f}) scale(1.6)" d="{heart}" '
        f'fill="{light}"/><path transform="translate({104 + 6 * whim:.1f} 82) rotate({12 - 8 * whim:.0f}) scale(1.15)" '
        f'd="{heart}" fill="{second}" opacity=".85"/>'
    )


def planet(light: str, second: str, whim: float) -> str:
    """A planet with its ring."""
    stars = "".join(
        f'<circle cx="{(17 + 53 * star + 60 * whim) % 156:.0f}" cy="{(9 + 37 * star) % 132}" r="1.6" fill="#fff" '
        'opacity=".85"/>'
        for star in range(11)
    )
    tilt = -30 + 26 * whim
    return (
        f'{stars}<g transform="rotate({tilt:.0f} 80 72)"><ellipse cx="80" cy="72" rx="66" ry="17" fill="none" '
        f'stroke="{second}" stroke-width="5" opacity=".9"/><circle cx="80" cy="72" r="37" fill="{light}"/>'
        '<path d="M43 72a37 37 0 0 0 74 0a60 20 0 0 1 -74 0z" fill="#000" opacity=".16"/>'
        f'<path d="M14.5 74a66 17 0 0 0 131 0" fill="none" stroke="{second}" stroke-width="5"/></g>'
    )


def tunnel(light: str, second: str, whim: float) -> str:
    """A way that gets narrower."""
    x, y = 62 + 36 * whim, 62
    frames = []
    for frame in range(6):
        part = 1 - frame / 6.4
        w, h = 176 * part, 152 * part
        frames.append(
            f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" fill="none" '
            f'stroke="{light}" stroke-width="{1.5 + 3.5 * part:.1f}" opacity="{0.25 + 0.75 * part:.2f}" '
            f'transform="rotate({frame * 7 * (whim + 0.4):.1f} {x:.1f} {y})"/>'
        )
    return f'{"".join(frames)}<circle cx="{x:.1f}" cy="{y}" r="8" fill="{second}"/>'


def chevrons(light: str, second: str, whim: float) -> str:
    """Ranks."""
    rows = "".join(
        f'<path d="M34 {y}l46 -26l46 26v15l-46 -26l-46 26z" fill="{second if row == int(3 * whim) else light}" '
        f'opacity="{1 - 0.14 * row:.2f}"/>'
        for row, y in enumerate((56, 82, 108))
    )
    return f'{rows}<path d="M80 8l3.4 7.4 8 .9-6 5.4 1.7 8-7.1-4-7.1 4 1.7-8-6-5.4 8-.9z" fill="{light}"/>'


def mesa(light: str, second: str, whim: float) -> str:
    """A low sun behind a table mountain."""
    x = 10 + 40 * whim
    return (
        f'<circle cx="80" cy="74" r="40" fill="{second}"/>'
        f'<path d="M-4 142v-22h{x + 18:.0f}l8 -44h50l8 44h120v22z" fill="#4d1f06"/>'
        f'<path d="M126 142v-52a6 6 0 0 1 12 0v14q8 0 8 -10a4 4 0 0 1 8 0q0 20 -16 20v28zM126 122q-14 0 -14 -18'
        f'a4 4 0 0 1 8 0q0 8 6 8z" fill="{light}"/>'
    )


def dots(light: str, second: str, whim: float) -> str:
    """A screen's raster: nothing is known of what is on it."""
    parts = []
    for row in range(6):
        for column in range(7):
            r = 2.5 + 5.5 * abs(sin(0.7 * (row + 1) * (column + 1) * (0.4 + whim)))
            colour = second if (row + column) % 5 == 0 else light
            parts.append(f'<circle cx="{14 + 22 * column}" cy="{16 + 22 * row}" r="{r:.1f}" fill="{colour}"/>')
    return "".join(parts)


SHAPES: dict[str, Shape] = {
    shape.__name__: shape
    for shape in (
        *(burst, peaks, bounce, balloons, smile, whorl, lens, masks, spires, blinds),
        *(fangs, screen, bars, keyhole, hearts, planet, tunnel, chevrons, mesa, dots),
    )
}
"""By the name that genres.py gives them."""
