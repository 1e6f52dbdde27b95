"""The embedded catalog: a LanceDB table below a local path or an object store."""
