"""How evidence names a voter that lies in no shard: an image of a target folder whose tags people approved.

In `evidence.parquet` its `source_shard` is `folder:<partition key of the folder>`, its `source_key` the file in it.
"""

MARK = "folder:"
"""Names of shards are digits, so none begins like this."""


def folder_shard(key: str) -> str:
    """What stands for the shard of an image of a target folder."""
    return MARK + key


def folder_of_shard(source_shard: str) -> str | None:
    """Partition key of the folder a voter lies in; None for one of an archive shard."""
    return source_shard.removeprefix(MARK) if source_shard.startswith(MARK) else None
