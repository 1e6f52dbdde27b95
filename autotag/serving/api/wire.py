"""What the API answers, for its documentation: handlers build these as plain dictionaries, see `answers_as_json`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

IMAGE_ID = "0d2a5e6f9c7b41d38a6e5f4c3b2a1908"


class FoundRegion(BaseModel):
    """A region of an image that was found; region 0 is the whole image."""

    region_index: int = Field(examples=[1])
    box_xyxy_px: tuple[int, int, int, int] = Field(
        description="x0, y0, x1, y1 in pixels of the upright image, the last two exclusive.",
        examples=[[10, 20, 110, 220]],
    )
    class_name: str = Field(description="The detector's word; empty where there is none.", examples=["dog"])
    confidence: float = Field(description="The detector's.", examples=[0.87])
    score: float = Field(description="Cosine of query and region.", examples=[0.3127])
    crop: str | None = Field(
        description="Where its pixels are; null for the whole image.",
        examples=[f"/images/{IMAGE_ID}/crops/1"],
    )


class _ImageFacts(BaseModel):
    """What is told of an image wherever it turns up."""

    image_id: str = Field(examples=[IMAGE_ID])
    folder: str = Field(
        description="Path of its folder; of an archive image its shard.", examples=["trips/2024"]
    )
    file: str = Field(description="Its name there; of an archive image its key.", examples=["IMG_0042.jpg"])
    width: int = Field(description="Pixels.", examples=[1920])
    height: int = Field(description="Pixels.", examples=[1080])
    tags: list[str] = Field(description="People's first, then by falling score.", examples=[["dog", "beach"]])
    taken_at: datetime | None = Field(description="When it was taken, where that is known.")


class FoundImage(_ImageFacts):
    """An image that was found."""

    added_at: datetime | None = Field(description="When the catalog met it; null for an archive image.")
    score: float | None = Field(
        description="Of its best region; null where nothing was ranked.", examples=[0.3127]
    )
    regions: list[FoundRegion] = Field(description="What was found in it, best first.")
    link: str | None = Field(description="Everything known of it.", examples=[f"/images/{IMAGE_ID}"])
    thumbnail: str | None = Field(examples=[f"/images/{IMAGE_ID}/thumbnail"])


class TagCount(BaseModel):
    """A tag, and how many images have it."""

    tag: str = Field(examples=["beach"])
    images: int = Field(examples=[128])


class FoundImages(BaseModel):
    """Images, best first; without anything to rank them by the newest first."""

    model_config = ConfigDict(title="FoundImages")

    hits: list[FoundImage]
    cut: float | None = Field(description="Score the best image had to reach.", examples=[0.21])
    best_score: float | None = Field(
        description="Of the best image, shown or not; null where there is none or none was ranked.",
        examples=[0.3127],
    )
    abstained: bool = Field(description="Whether there are images and none of them was good enough.")
    next: str = Field(description="`after` of the next page; empty where there is none.")
    tagged: TagCount | None = Field(
        description="Where the words found nothing and are a tag: the tag, to be asked for with `tags` and without words, and how"
        " many images that pass have it."
    )
    processing_time_ms: float = Field(examples=[7.4])


class ImageObject(BaseModel):
    """An object of an image."""

    region_index: int = Field(examples=[1])
    box_xyxy_px: tuple[int, int, int, int] = Field(examples=[[10, 20, 110, 220]])
    class_name: str = Field(examples=["dog"])
    confidence: float = Field(examples=[0.87])
    crop: str = Field(examples=[f"/images/{IMAGE_ID}/crops/1"])


class Image(_ImageFacts):
    """An image of the catalog."""

    media_id: str = Field(description="sha256 of its bytes.")
    added_at: datetime = Field(description="When the catalog met it.")
    objects: list[ImageObject]
    link: str = Field(examples=[f"/images/{IMAGE_ID}"])
    thumbnail: str = Field(examples=[f"/images/{IMAGE_ID}/thumbnail"])


class Tags(BaseModel):
    """Tags of the images that pass, the most frequent first."""

    tags: list[TagCount]
    processing_time_ms: float
