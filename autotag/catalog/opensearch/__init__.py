"""A catalog on an OpenSearch cluster: one document per image, its objects nested inside it."""
