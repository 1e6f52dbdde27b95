"""The searchable store of the user's own images and objects: one protocol, an embedded and a distributed store."""
