"""One verb an asset: the whole computation, callable without Dagster."""
