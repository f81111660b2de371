"""The example: three shops that keep their orders differently, and what happens in them."""

from __future__ import annotations

from dropless.example.load import SOURCES, load, open_shop

__all__ = ["SOURCES", "load", "open_shop"]
