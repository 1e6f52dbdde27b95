"""The searchable store of all folders' images."""
