"""What an OpenSearch server accepts, for the double: bodies of searches are held to the message definitions that OpenSearch
publishes (the `opensearch-protobufs` package), documents to the index's own mapping. Where the real server would quietly
find nothing, as with a field that no document has, this one refuses too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from opensearch.protobufs.schemas import common_pb2

MAX_RESULT_WINDOW = 10_000
MAX_TERM_BYTES = 32_766
MAX_TERMS = 65_536
WHOLE_NUMBERS = {"integer": range(-(2**31), 2**31), "long": range(-(2**63), 2**63)}
"""What a field of this type can hold, and be asked about."""


@dataclass
class Refused(Exception):
    """An error answer."""

    kind: str
    reason: str
    status: int = 400


def published_fields(message: str) -> dict[str, FieldDescriptor]:
    """Fields of a published message by their names in JSON."""
    fields = getattr(common_pb2, message).DESCRIPTOR.fields
    return {
        each.name.replace("x_", "_", 1) if each.name.startswith("x_") else each.name: each for each in fields
    }


def only_known(body: Any, message: str, more: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> None:
    """Refuse a field that the message does not have, or a value of another type."""
    known = published_fields(message)
    if not isinstance(body, dict):
        raise Refused("parsing_exception", f"[{message}] is no object but {body!r:.80}")
    for name, value in body.items():
        if name in more:
            continue
        if name not in known or name in without:
            raise Refused("parsing_exception", f"[{message}] unknown field [{name}]")
        if not known[name].is_repeated:
            _typed(value, known[name], f"{message}.{name}")


def _typed(value: Any, field: FieldDescriptor, where: str) -> None:
    wanted: dict[int, tuple[type, ...]] = {
        FieldDescriptor.CPPTYPE_STRING: (str,),
        FieldDescriptor.CPPTYPE_BOOL: (bool,),
        FieldDescriptor.CPPTYPE_INT32: (int,),
        FieldDescriptor.CPPTYPE_INT64: (int,),
        FieldDescriptor.CPPTYPE_FLOAT: (int, float),
        FieldDescriptor.CPPTYPE_DOUBLE: (int, float),
    }
    types = wanted.get(field.cpp_type)
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        raise Refused("parsing_exception", f"[{where}] cannot be {value!r:.80}")


class Mapping:
    """Fields of an index by their full names."""

    def __init__(self, mappings: dict[str, Any]) -> None:
        self.meta = mappings.get("_meta", {})
        self.properties = _checked_properties(mappings)
        self.fields: dict[str, dict[str, Any]] = {}
        self._collect(self.properties, "")

    def _collect(self, properties: dict[str, Any], prefix: str) -> None:
        for name, field in properties.items():
            self.fields[prefix + name] = field
            if field["type"] == "nested":
                self._collect(field["properties"], f"{prefix}{name}.")

    def level_of(self, name: str) -> str:
        """The nested path that a field lies on; empty for the document's own."""
        parent = name.rpartition(".")[0]
        return parent if self.fields.get(parent, {}).get("type") == "nested" else ""

    def field(self, name: str, level: str, *types: str) -> dict[str, Any]:
        """A field that may be asked at this level."""
        field = self.fields.get(name)
        if field is None:
            raise Refused("query_shard_exception", f"no field [{name}] in the mapping")
        if self.level_of(name) != level:
            raise Refused(
                "query_shard_exception", f"field [{name}] is asked at the level [{level}]: matches nothing"
            )
        if types and field["type"] not in types:
            raise Refused(
                "query_shard_exception", f"field [{name}] is of the type [{field['type']}], not {types}"
            )
        if field.get("index") is False:
            raise Refused("query_shard_exception", f"field [{name}] is not indexed")
        return field

    def check(self, document: Any) -> None:
        """Refuse a document that a strict mapping refuses."""
        _check_document(document, self.properties, "")


_PARAMETERS = {
    "keyword": {"index", "doc_values"},
    "text": {"analyzer"},
    "integer": {"index", "doc_values"},
    "long": {"index", "doc_values"},
    "float": {"index", "doc_values"},
    "date": {"index", "doc_values", "format"},
    "nested": {"dynamic", "properties"},
    "knn_vector": {"dimension", "method"},
}


def _checked_properties(mappings: dict[str, Any]) -> dict[str, Any]:
    unknown = set(mappings) - {"dynamic", "_meta", "properties", "type"}
    if unknown or mappings.get("dynamic") not in ("strict", "true", "false", None):
        raise Refused("mapper_parsing_exception", f"unsupported mapping parameters {sorted(unknown)}")
    for name, field in mappings["properties"].items():
        if field.get("type") not in _PARAMETERS:
            raise Refused(
                "mapper_parsing_exception", f"no handler for type [{field.get('type')}] of [{name}]"
            )
        unknown = set(field) - _PARAMETERS[field["type"]] - {"type"}
        if unknown:
            raise Refused(
                "mapper_parsing_exception", f"unknown parameter {sorted(unknown)} on mapper [{name}]"
            )
        if field["type"] == "nested":
            _checked_properties(field)
        if field["type"] == "knn_vector":
            _check_method(field)
    return mappings["properties"]


def _check_method(field: dict[str, Any]) -> None:
    method = field["method"]
    parameters = method.get("parameters", {})
    right = (
        set(method) <= {"name", "space_type", "engine", "parameters"}
        and method["name"] == "hnsw"
        and method["engine"] in ("faiss", "lucene")
        and method["space_type"] in ("cosinesimil", "innerproduct", "l2")
        and set(parameters) <= {"ef_construction", "m", "ef_search", "encoder"}
        and all(isinstance(each, int) and each > 1 for each in parameters.values())
        and isinstance(field["dimension"], int)
        and 1 <= field["dimension"] <= 16_000
    )
    if not right:
        raise Refused("mapper_parsing_exception", f"invalid k-NN method {method}")


def _check_document(document: Any, properties: dict[str, Any], prefix: str) -> None:
    if not isinstance(document, dict):
        raise Refused(
            "mapper_parsing_exception", f"object mapping for [{prefix}] tried to parse {document!r:.60}"
        )
    for name, value in document.items():
        if name not in properties:
            raise Refused(
                "strict_dynamic_mapping_exception",
                f"mapping set to strict, dynamic introduction of [{name}] within [{prefix or '_doc'}] is not allowed",
            )
        field = properties[name]
        if field["type"] == "nested":
            for each in value:
                _check_document(each, field["properties"], f"{prefix}{name}.")
        elif field["type"] == "knn_vector":
            check_vector(value, field["dimension"], name)
        else:
            for each in value if isinstance(value, list) else [value]:
                _check_value(each, field["type"], prefix + name)


def check_vector(value: Any, dim: int, name: str) -> None:
    """Refuse what is no vector of a field."""
    if not isinstance(value, list) or len(value) != dim:
        raise Refused("mapper_parsing_exception", f"vector of [{name}] has not the dimension {dim}")
    if not all(isinstance(each, float | int) and not isinstance(each, bool) for each in value):
        raise Refused("mapper_parsing_exception", f"vector of [{name}] holds what is no number")
    if not np.any(value):
        raise Refused(
            "mapper_parsing_exception", "zero vector is not supported when space type is [cosinesimil]"
        )


def _check_value(value: Any, kind: str, name: str) -> None:
    if value is None:
        return
    right = {
        "keyword": isinstance(value, str) and len(value.encode()) <= MAX_TERM_BYTES,
        "text": isinstance(value, str),
        "integer": type(value) is int and value in WHOLE_NUMBERS["integer"],
        "long": type(value) is int and value in WHOLE_NUMBERS["long"],
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "date": isinstance(value, str) and _is_date(value),
    }[kind]
    if not right:
        raise Refused(
            "mapper_parsing_exception", f"failed to parse field [{name}] of type [{kind}]: {value!r:.60}"
        )


def _is_date(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
