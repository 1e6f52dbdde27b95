"""Routes of the API, a noun a file."""
