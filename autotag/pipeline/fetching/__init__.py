"""Fetching of image lists: URLs and captions in, archive shards and their tags out."""
