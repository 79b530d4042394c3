"""The base of frozen data that is stored or hashed as JSON."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and strict about names: an unknown field is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
