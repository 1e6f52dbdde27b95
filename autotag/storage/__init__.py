"""Where bytes live: every path, atomic tables, tar streams, safe decoding, releases."""
