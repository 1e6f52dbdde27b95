"""Pure: identity, regions, vectors, votes, table schemas. No I/O, no clock."""
