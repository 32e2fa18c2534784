"""A web service that says what a model spec is worth, before anybody builds it.

    python -m pip install 'typedvision[clients]'
    python -m uvicorn --app-dir examples/service app:app

    curl -X POST 127.0.0.1:8000/validate -d @model.json -H 'content-type: application/json'
    curl -X POST 127.0.0.1:8000/summarize -d @model.json -H 'content-type: application/json'

`/validate` needs no torch: it answers with the digest of the spec and what comes out of the model,
or with every problem of the document and its place. `/summarize` counts parameters and
multiply-adds.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import typedvision as tv

app = FastAPI(title="Model specs", version=tv.__version__)


class Level(BaseModel):
    """A feature level of the model."""

    name: str
    channels: int
    stride: int


class Valid(BaseModel):
    """What a valid spec says of its model."""

    digest: str
    family: str
    num_classes: int
    image_size: tuple[int, int]
    levels: list[Level]


class Cost(BaseModel):
    """What one image costs."""

    parameters: int
    multiply_adds: int


@app.exception_handler(tv.TypedVisionError)
def refuse(_request: Request, error: tv.TypedVisionError) -> JSONResponse:
    """Answer with the structured error of the library."""
    return JSONResponse(error.to_dict(), status_code=422)


@app.post("/validate")
async def validate(request: Request) -> Valid:
    """Validate the document; the size of a body is the server's to bound, its nesting is ours."""
    spec = tv.ModelSpec.from_json(await request.body())
    levels = [
        Level(name=level.name, channels=level.channels, stride=level.stride)
        for level in spec.config.features()
    ]
    return Valid(
        digest=spec.digest(),
        family=spec.family,
        num_classes=spec.config.num_classes,
        image_size=spec.image.size,
        levels=levels,
    )


@app.post("/summarize")
def summarize(spec: tv.ModelSpec) -> Cost:
    """Count the model, which loads torch and reads no weights."""
    summary = tv.summarize(spec)
    return Cost(parameters=summary.parameters, multiply_adds=summary.multiply_adds)
