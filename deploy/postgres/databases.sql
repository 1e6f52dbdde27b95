-- Run once, when the server's directory is empty. POSTGRES_DB made `dagster`; the tag ledger has one of its own.
CREATE DATABASE ledger;
