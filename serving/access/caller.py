"""Where the application finds who asked, once the keys' layer knows it."""

from __future__ import annotations

#: Key of the ASGI scope.
CALLER = "screentest.caller"
