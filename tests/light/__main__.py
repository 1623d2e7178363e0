"""``make run`` from nothing, measured: see ``from_nothing.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.light.from_nothing import main

if __name__ == "__main__":
    sys.exit(main())
