"""The query side: words and vectors in, ranked regions with their tags out."""
