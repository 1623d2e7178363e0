"""The tabs, a folder for each: how it is laid out, and what it runs."""
