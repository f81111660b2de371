"""One real-time table out of several, with nothing lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropless.lake.client import Lake

__all__ = ["Lake"]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the processes and most commands need none of its libraries.
    if name == "Lake":
        from dropless.lake.client import Lake  # noqa: PLC0415

        return Lake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
