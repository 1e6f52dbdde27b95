"""What all requests have in common: nothing is taken for something else, as numbers are for dates, or true is for 1."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

MOST_UNKNOWN = 20
"""Unknown names that are told; a body may hold a hundred thousand."""


def _of_iso_8601(text: object) -> object:
    """Pydantic itself takes numbers for seconds since 1970: a bare year would let nearly everything through."""
    try:
        return text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    except ValueError:
        raise ValueError("write a date as 2024-05-01 or 2024-05-01T12:00:00Z") from None


def _in_utc(date: datetime) -> datetime:
    """A date without a time zone is one of UTC, as capture dates are."""
    try:
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except OverflowError:
        raise ValueError("the date lies outside the calendar") from None


Date = Annotated[datetime, BeforeValidator(_of_iso_8601), AfterValidator(_in_utc)]


class Query(BaseModel):
    """A request: unknown names are refused, so that a slip of the pen is no filter that lets everything through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _name_known_fields(cls, sent: object) -> object:
        """Unknown names are refused here, because Pydantic's own sentence does not say what there is."""
        names = (name for name in sent if name not in cls.model_fields) if isinstance(sent, Mapping) else ()
        unknown = [*islice(names, MOST_UNKNOWN)]
        if not unknown:
            return sent
        sentence = "there is no such field here; there are {known}"
        error = PydanticCustomError("extra_forbidden", sentence, {"known": ", ".join(cls.model_fields)})
        raise ValidationError.from_exception_data(
            cls.__name__, [InitErrorDetails(type=error, loc=(name,), input=None) for name in unknown]
        )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_values(cls, sent: object, about: ValidationInfo) -> object:
        """Pydantic takes true for 1."""
        is_truth_value = isinstance(sent, bool) or (
            isinstance(sent, list) and any(each is True or each is False for each in sent)
        )
        if is_truth_value and cls.model_fields[str(about.field_name)].annotation is not bool:
            raise ValueError("true and false mean nothing here")
        return sent
