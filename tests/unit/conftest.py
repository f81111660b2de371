"""Hypothesis without a time limit per example: a busy machine is no finding."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
