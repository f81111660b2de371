"""Class-data archives: Java servers that share one start faster and use less memory."""

from __future__ import annotations

from pathlib import Path

from local_stack.context import Context


def archive(context: Context, name: str) -> Path | None:
    """The class-data archive of that name, if it was built for this Java and these jars."""
    path = folder(context) / f"{name}.jsa"
    return path if path.exists() else None


def folder(context: Context) -> Path:
    """Where the archives for this Java and these jars lie."""
    return context.settings.cache / "cds"
