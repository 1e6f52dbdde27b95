"""Vectors of a label list: computed once for labels, templates and embedder, then kept."""

import logging
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from upath import UPath

from autotag.domain.labels import label_sentences, refuse_bad_templates
from autotag.domain.schemas import label_vectors as label_vectors_schema
from autotag.domain.vectors import normalise
from autotag.errors import PermanentError, UsageError
from autotag.models.protocols import Vectors
from autotag.pipeline.plan import PipelinePlan, loaded_embedder
from autotag.storage.fingerprints import fingerprint
from autotag.storage.removal import remove_file
from autotag.storage.tables import Stamp, read_table, write_table

LISTS_KEPT = 4
"""Of one embedder and its templates: lists change by a label now and then, and the ones before share their vectors."""

_log = logging.getLogger(__name__)


def labels_fingerprint(labels: Sequence[str]) -> str:
    """Changes with any label and with their order."""
    return fingerprint(labels=list(labels))


def label_vectors(plan: PipelinePlan, labels: Sequence[str], templates: Sequence[str]) -> Vectors:
    """float32 (labels, dim), unit L2 norm, in list order: mean over the templates' sentences.

    The embedder is loaded only for labels that no list kept before has.

    Raises:
        SettingsError: a template without one place for the label.
        UsageError: the embedder knows no texts.
    """
    refuse_bad_templates(templates)
    space = _space(plan, templates)
    path = _path(plan, labels, space)
    known = _known_vectors(path, space)
    missing = [label for label in labels if label not in known]
    if missing:
        known |= dict(zip(missing, _embedded(plan, missing, templates), strict=True))
    vectors = np.stack([known[label] for label in labels])
    if missing or not path.exists():
        store_label_vectors(plan, labels, templates, vectors)
        for old in _kept_lists(path.parent, space)[:-LISTS_KEPT]:
            remove_file(old)
    return vectors


def store_label_vectors(
    plan: PipelinePlan, labels: Sequence[str], templates: Sequence[str], vectors: Vectors
) -> None:
    """Keep vectors, float32 (labels, dim), as those of a label list: `label_vectors` gives them from then on."""
    space = _space(plan, templates)
    schema = label_vectors_schema(vectors.shape[1])
    values = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.reshape(-1)), type=schema.field("vector").type
    )
    table = pa.table({"label": list(labels), "vector": values}, schema=schema)
    write_table(_path(plan, labels, space), table, schema, Stamp("label_vectors", plan.model_id, space))


def _space(plan: PipelinePlan, templates: Sequence[str]) -> str:
    """Vectors of one embedder and the same templates can be put into one list."""
    return fingerprint(embedder=plan.model_id.partition("+")[2], templates=list(templates))


def _path(plan: PipelinePlan, labels: Sequence[str], space: str) -> UPath:
    return plan.layout.label_vectors(f"{space}-{labels_fingerprint(labels)}")


def _known_vectors(path: UPath, space: str) -> dict[str, np.ndarray]:
    """Vectors by label: of this very list if it is kept, else of the lists kept of the same space."""
    kept = [path] if path.exists() else _kept_lists(path.parent, space)
    known: dict[str, np.ndarray] = {}
    for file in kept:
        try:
            rows = read_table(file)
        except PermanentError as error:  # damaged, or another run has just removed it: computed again
            _log.warning("label vectors are computed again: %s", error)
            continue
        vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
        known |= dict(zip(rows["label"].to_pylist(), vectors, strict=True))
    return known


def _embedded(plan: PipelinePlan, labels: Sequence[str], templates: Sequence[str]) -> Vectors:
    embedder = loaded_embedder(plan.embedder)
    if not embedder.embeds_text:
        raise UsageError(
            f"{plan.embedder.name} embeds images only, so labels cannot be scored with it; choose an embedder with a"
            " text side under [models], such as starter or open_clip"
        )
    total = np.zeros((len(labels), embedder.dim), np.float32)
    for template in templates:
        total += embedder.embed_texts(label_sentences(labels, template))
    return normalise(total)


def _kept_lists(directory: UPath, space: str) -> list[UPath]:
    """Those of a space, the latest last."""
    if not directory.exists():
        return []
    found = (path for path in directory.iterdir() if path.name.startswith(f"{space}-"))
    return sorted(found, key=_changed_s)


def _changed_s(path: UPath) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another run has just removed it
        return 0.0
