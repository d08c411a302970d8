"""The edge through its own door: raw bytes in, an answer out, rows in between."""
