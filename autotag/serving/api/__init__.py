"""The search API: FastAPI over the catalog and the archive. HTTP only; what is found is decided in search and pipeline."""
