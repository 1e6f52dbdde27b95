"""The version of all stored tables together; apart from their schemas, so that it is known without Arrow."""

SCHEMA_VERSION = 1
