"""Runs one of our processes with a durability table that somebody has weakened: `loose.py MODULE ARGUMENTS`."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace

from dropless import durability

# What Kafka allows beside transactions, and what changes nothing in what these processes do.
LOOSE = {"max.in.flight.requests.per.connection": "5", "enable.auto.commit": "true"}

durability.TABLE = tuple(replace(each, required=LOOSE.get(each.name, each.required)) for each in durability.TABLE)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
