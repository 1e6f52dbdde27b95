"""One asset a file, one group a folder."""
