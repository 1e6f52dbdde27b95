"""The tagged archive."""
