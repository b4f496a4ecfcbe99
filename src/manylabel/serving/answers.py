"""What the server answers, as the OpenAPI document describes it.

In:  what a bundle says.
Out: JSON.
"""

from pydantic import BaseModel, Field


class PhotoAnswer(BaseModel):
    """What a network says about one photo."""

    image: str = Field(description="Name of the file, as it was sent.")
    labels: list[str] = Field(description="The labels given, the most probable first; may be empty.")
    scores: dict[str, float] = Field(
        description="The probability of every label; empty where it was not read."
    )
    error: str | None = Field(
        default=None, description="Why the photo could not be read; null where it was. Others are answered."
    )
    preview: str | None = Field(
        default=None,
        description="A small JPEG of the photo as a data: address, where ?previews=true asks for it.",
    )


class PredictAnswer(BaseModel):
    """What a network says about the photos of a request."""

    model: str = Field(description="Name of the bundle.")
    thresholds: dict[str, float] = Field(description="The score from which on a label is given.")
    photos: list[PhotoAnswer] = Field(description="In the order in which they were sent.")


class ExplainAnswer(BaseModel):
    """Where in a photo a network saw what speaks for a label."""

    model: str = Field(description="Name of the bundle.")
    image: str = Field(description="Name of the file, as it was sent.")
    label: str = Field(description="The label that is explained.")
    score: float = Field(description="Its probability, as /predict gives it.")
    is_given: bool = Field(description="Whether /predict gives it.")
    box: tuple[float, float, float, float] = Field(
        description="The part of the photo that the network saw: left, upper, right, lower as shares of it."
    )
    map: list[list[float]] = Field(
        description="Rows of places: by how much the label's logit falls where a place is silenced."
    )
    layer: str | None = Field(
        default=None,
        description="The map as a PNG to lay over the box, a data: address, where ?layer=true asks for it.",
    )


class LabelAnswer(BaseModel):
    """A label."""

    name: str
    threshold: float = Field(description="The score from which on it is given.")


class LabelsAnswer(BaseModel):
    """The labels of a bundle."""

    model: str = Field(description="Name of the bundle.")
    labels: list[LabelAnswer]
    rules: list[str] = Field(description="What is certain about the labels, and obeyed.")


class HealthAnswer(BaseModel):
    """Whether the server is well."""

    status: str
    version: str = Field(description="Version of manylabel.")
    models: dict[str, str] = Field(description="Every bundle, and what computes it.")
    most_photos: int = Field(description="Most photos that a request may hold.")
    most_bytes: int = Field(description="Most bytes that a request may have.")


class ErrorAnswer(BaseModel):
    """Why a request was refused."""

    detail: str
