"""The marshmallow side of the schema: a field made of a parser, a schema that suggests names, a polymorphic list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validates_schema

from workflows.spec.faults import Fault, rejected, shown
from workflows.spec.words import Parse, listed, nearest

REQUIRED = [Fault(code="missing_field", message="This field is required.", remedy="Add it.")]


class Parsed(fields.Field[Any]):
    """A field read by one parser. `default` is JSON as a client would write it; `meaning` a word for its absence."""

    def __init__(self, parse: Parse, *, default: Any = None, required: bool = False) -> None:
        options: dict[str, Any] = {"required": True} if required else {"load_default": _default(parse, default)}
        super().__init__(
            allow_none=not required, error_messages={"required": REQUIRED}, metadata={"default": default}, **options
        )
        self.parse = parse

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        return self.parse(value)


class StrictSchema(Schema):
    """A schema in which null means "not given" and an unknown name is a fault that names the nearest known one."""

    later: frozenset[str] = frozenset()  # names the design has and this version does not
    elsewhere: Mapping[str, str] = {}  # known name -> which other types it belongs to

    class Meta:
        """Unknown names are left to `_refuse_unknown`, which knows what to say about them."""

        unknown = EXCLUDE

    @pre_load
    def _drop_nulls(self, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise rejected("invalid_type", f"{shown(data)} is not an object.", "Write a JSON object: {…}.")
        return {key: value for key, value in data.items() if value is not None}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown(self, _data: Any, original: Mapping[str, Any], **_: Any) -> None:
        faults = {key: [self._unknown(key)] for key in original if key not in self.fields}
        if faults:
            raise ValidationError(faults)

    def _unknown(self, name: str) -> Fault:
        if name in self.later:
            return Fault(code="not_available", message=f'"{name}" is not available yet.', remedy="Leave it out.")
        if name in self.elsewhere:
            message = f'"{name}" does not apply here; it belongs to {self.elsewhere[name]}.'
            return Fault(code="not_applicable", message=message, remedy="Remove it, or change the type.")
        near = nearest(name, self.fields)
        remedy = f'Did you mean "{near}"?' if near else f"Known fields: {', '.join(sorted(self.fields))}."
        return Fault(code="unknown_field", message=f"There is no field {shown(name)} here.", remedy=remedy)


class Listed(fields.Field[Any]):
    """A list whose items are read by the schema that `schema_of(item)` picks. Returns (item's data, …)."""

    def __init__(self, schema_of: Any, *, least: int, most: int, required: bool) -> None:
        options: dict[str, Any] = {"required": True} if required else {"load_default": ()}
        super().__init__(
            allow_none=not required, error_messages={"required": REQUIRED}, metadata={"default": []}, **options
        )
        self.schema_of = schema_of
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise rejected("invalid_type", f"{shown(value)} is not a list.", "Write a JSON list: […].")
        if not self.least <= len(value) <= self.most:
            message = f"{len(value)} items; from {self.least} to {self.most} are possible."
            raise rejected("out_of_range", message, "Add or remove items.")
        return collect(value, self._item)

    def _item(self, item: Any) -> Any:
        return self.schema_of(item).load(item)


def collect(items: Iterable[Any], read: Parse) -> tuple[Any, ...]:
    """`read(item)` of every item; the faults of all of them in one ValidationError, by index."""
    values, faults = [], {}
    for index, item in enumerate(items):
        try:
            values.append(read(item))
        except ValidationError as err:
            faults[index] = err.messages
    if faults:
        raise ValidationError(faults)
    return tuple(values)


def belongings(schemas: Mapping[str, type[StrictSchema]]) -> dict[str, str]:
    """Field name -> the types that have it, as words for a message."""
    names = {name for schema in schemas.values() for name in schema._declared_fields}
    return {
        name: listed([kind for kind, schema in schemas.items() if name in schema._declared_fields]).replace('"', "")
        for name in names
    }


def _default(parse: Parse, default: Any) -> Any:
    return None if default is None else parse(default)
