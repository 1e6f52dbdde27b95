"""Retrieval over any images, in a store of its own: manifest, vectors, index. Every step goes on where it was killed."""
