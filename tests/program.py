"""The command as a user runs it."""

from __future__ import annotations

import sys
from typing import Final

DROPLESS: Final = [sys.executable, "-c", "from dropless.cli import main; main()"]
