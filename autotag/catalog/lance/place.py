"""Where a catalog lies, as LanceDB wants to be told."""

from typing import Any

from upath import UPath

_NAMES = {
    "key": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "token": "aws_session_token",
    "endpoint_url": "aws_endpoint",
    "region_name": "aws_region",
}
_FALLBACK_REGION = "us-east-1"


def address(root: UPath) -> str:
    """The path of a local root, the URI of any other."""
    return root.path if is_local(root) else str(root)


def is_local(root: UPath) -> bool:
    """Whether it is on this machine's file system."""
    return getattr(root, "protocol", "") in ("", "file", "local")


def storage_options(root: UPath) -> dict[str, str]:
    """What the root's file system was told, in LanceDB's words; what it was not told, the AWS_* variables say to both."""
    if is_local(root):
        return {}
    told: dict[str, Any] = dict(root.storage_options)
    told |= told.get("client_kwargs") or {}
    client = getattr(root.fs, "s3", None)
    endpoint = told.get("endpoint_url") or getattr(getattr(client, "meta", None), "endpoint_url", "")
    options = {ours: str(told[theirs]) for theirs, ours in _NAMES.items() if told.get(theirs)}
    if endpoint and "amazonaws.com" not in endpoint:
        options["aws_endpoint"] = endpoint
        options.setdefault("aws_region", _FALLBACK_REGION)
        options["allow_http"] = str(endpoint.startswith("http://")).lower()
    return options
