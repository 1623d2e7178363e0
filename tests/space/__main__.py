"""A rehearsal of the app as a Hugging Face Space, on this machine; see ``rehearsal.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.space.rehearsal import main

if __name__ == "__main__":
    sys.exit(main())
