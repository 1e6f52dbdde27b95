"""The page of the API at /docs, by Swagger UI from an installed package: nothing is loaded from any other site."""

import importlib.resources
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from autotag.serving.api.problems import ProblemError

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""Files of the package that are served; nothing else of it is."""

START = "start.js"

# Addresses are relative, so that the page also works behind a proxy that adds a prefix.
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>autotag API</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/assets/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/{START}"></script>
</body>
</html>
"""

SCRIPT = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: what comes from here. Swagger UI sets styles inline."""

_REMEMBER = {"cache-control": "public, max-age=3600"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start() -> RedirectResponse:
    """To the page."""
    return RedirectResponse("docs")


@router.get("/docs")
async def page() -> HTMLResponse:
    """The page itself."""
    return HTMLResponse(PAGE, headers={"content-security-policy": POLICY})


@router.get("/docs/assets/{name}")
async def asset(name: str) -> Response:
    """One of its files."""
    if name == START:
        return Response(SCRIPT, media_type="text/javascript", headers=_REMEMBER)
    if name not in ASSETS:
        raise ProblemError(404, "the page of the API has no such file")
    return FileResponse(_folder() / name, media_type=ASSETS[name], headers=_REMEMBER)


def _folder() -> Path:
    return Path(str(importlib.resources.files("fastapi_swagger"))) / "resources"
