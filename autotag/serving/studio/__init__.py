"""The page to review in."""
