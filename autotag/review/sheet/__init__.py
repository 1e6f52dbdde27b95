"""The review sheet: CSV out, and what was edited in again."""
