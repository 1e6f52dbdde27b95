"""What all pages that stand alone share: templates that escape what they are given, and pictures inside the page."""

import base64
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@cache
def html_template(name: str) -> Template:
    """A template of this package, escaping everything; a name that it is not given is an error."""
    loader = PackageLoader("autotag.pipeline", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def jpeg_uri(jpeg: bytes) -> str:
    """A JPEG as the address of a picture in the page itself; empty for none."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii") if jpeg else ""
