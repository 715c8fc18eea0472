"""What an HTTP API answers, as typed rows. An answer of another form is none: half a row is no row."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from vouch.core.errors import Unavailable


def _whole(value: object) -> object:
    """Text without halves of characters, which JSON can hold and nothing else can."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


Text = Annotated[str, BeforeValidator(_whole)]


class Row(BaseModel):
    """What is read of an object; what else it has is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


R = TypeVar("R", bound=BaseModel)


def row(kind: type[R], data: Any) -> R:
    """``data`` as a row. Raises :class:`Unavailable`, as any answer that is not whole does."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise _strange(kind, error) from None


def rows(kind: type[R], data: Any) -> list[R]:
    """``data`` as a page of rows. Raises as :func:`row`."""
    try:
        return TypeAdapter(list[kind]).validate_python(data)  # type: ignore[valid-type]
    except ValidationError as error:
        raise _strange(kind, error) from None


def _strange(kind: type[BaseModel], error: ValidationError) -> Unavailable:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    at = ".".join(map(str, first["loc"])) or "the whole"
    return Unavailable(f"The source answered with something else than a {kind.__name__.lower()}: {at[:100]}.")
