"""The method: masks, embeddings, distances, the map. Imports numpy and nothing heavier."""

import sys

if getattr(sys.modules["explorer"], "__title__", "") != "Distance Explorer":  # python -OO drops what is documented
    raise ImportError(
        "Another package is imported as `explorer` in place of Distance Explorer (django-sql-explorer has that name, "
        "too). Two of one name cannot share an environment: install this one in an environment of its own."
    )
