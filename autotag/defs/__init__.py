"""Dagster only: partitions, assets, checks, resources, sensor, jobs. Nothing is computed here."""
