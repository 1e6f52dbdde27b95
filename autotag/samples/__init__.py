"""Sample corpora, made from photographs that installed packages ship."""
