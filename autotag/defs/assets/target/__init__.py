"""Folders to be tagged."""
