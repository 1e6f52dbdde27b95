"""What the archive knows, searchable."""
