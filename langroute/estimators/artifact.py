"""Reading an artifact: a folder that holds what was learned as plain data. Nothing in it is ever run.

``policy.json`` says what there is (format, versions, data, features, metrics, and a type and settings for each piece),
``arrays.npz`` holds the numbers, ``MODEL_CARD.md`` tells people, who may write on it: it is not read here. Everything
else is checked before anything is made of it: each damage is `ArtifactInvalid`, which names the file or the field and
the way out.
``langroute.learning.artifact_files`` writes such folders; ``langroute.artifacts`` knows which class a piece is.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.columns import NUMBERS, WORDS
from langroute.parts import Parts

FORMAT = 1
"""Of the folder; another one is refused."""

FEATURES_VERSION = 1
"""Of what the columns mean (``columns.NUMBERS``, ``columns.WORDS``); raised when one changes its meaning."""

MANIFEST, ARRAYS, CARD = "policy.json", "arrays.npz", "MODEL_CARD.md"
AGAIN = "train again with `langroute train TABLE --save {folder}`"
_SECTIONS = ("estimator", "encoder", "acceptance", "policy", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One fitted thing of an artifact, taken apart.

    Attributes:
        type: the name it is found by.
        parts: what it is made of.
    """

    type: str
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a folder holds, checked.

    Attributes:
        folder: where it was read from.
        langroute: the version that wrote it.
        data: what it was trained on: ``fingerprint``, ``rows``, ``episodes``, ``arms``, ``period``.
        features: the columns it reads: ``version``, ``numbers``, ``words`` and ``text`` (length of the text vector).
        metrics: what was measured out of fold.
        sections: pieces by section: ``estimator``, ``encoder``, ``acceptance``, ``policy``, ``targets``.
    """

    folder: Path
    langroute: str
    data: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)

    def piece(self, section: str) -> Piece | None:
        """The first piece of a section; None where it has none."""
        return next(iter(self.sections.get(section, ())), None)

    @property
    def way_out(self) -> str:
        """What to do when this artifact cannot be used."""
        return AGAIN.format(folder=self.folder)


def read_artifact(folder: str | Path) -> Artifact:
    """What a folder holds.

    Raises:
        ArtifactInvalid: it is no artifact, is damaged, or was written in another format or with other columns.
    """
    place = Path(folder)
    way_out = AGAIN.format(folder=place)
    manifest = _manifest(place, way_out)
    arrays = _arrays(place, manifest, way_out)
    return Artifact(
        folder=place,
        langroute=str(manifest["langroute"]),
        data=manifest["data"],
        features=_features(manifest["features"], way_out),
        metrics=manifest["metrics"],
        sections=_sections(manifest["sections"], arrays, way_out),
    )


def is_artifact(folder: str | Path) -> bool:
    """Whether a folder looks like one, sound or not: it has a manifest with a format."""
    try:
        return "format" in json.loads((Path(folder) / MANIFEST).read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def checksum(manifest: Mapping[str, Any]) -> str:
    """Of a manifest without its own ``checksum``."""
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return digest(json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def array_name(section: str, number: int, name: str) -> str:
    """What an array of a section's piece is called in ``arrays.npz``."""
    return f"{section}/{name}" if number == 0 else f"{section}/{number}/{name}"


_MANIFEST: Mapping[str, type] = {
    "langroute": str,
    "data": dict,
    "features": dict,
    "metrics": dict,
    "sections": dict,
    "arrays": dict,
    "files": dict,
}


def _content(path: Path, way_out: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactInvalid(f"cannot be read: {exc.strerror or exc}; {way_out}", field=str(path)) from exc


def _manifest(place: Path, way_out: str) -> dict[str, Any]:
    path = place / MANIFEST
    try:
        manifest = json.loads(_content(path, way_out))
    except (ValueError, RecursionError) as exc:
        raise ArtifactInvalid(f"is not JSON ({exc}); {way_out}", field=str(path)) from exc
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise ArtifactInvalid(f"is no manifest of an artifact; {way_out}", field=str(path))
    if manifest["format"] != FORMAT:
        message = f"is {manifest['format']!r}, and this version of langroute reads {FORMAT}; {way_out}"
        raise ArtifactInvalid(message, field=f"{path}: format")
    for name, kind in _MANIFEST.items():
        if not isinstance(manifest.get(name), kind):
            raise ArtifactInvalid(f"is missing or damaged; {way_out}", field=f"{path}: {name}")
    try:
        sound = manifest.get("checksum") == checksum(manifest)
    except (ValueError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise ArtifactInvalid(
            f"is not that of the rest of the file, which was changed; {way_out}", field=f"{path}: checksum"
        )
    return manifest


def _arrays(place: Path, manifest: Mapping[str, Any], way_out: str) -> dict[str, NDArray[Any]]:
    """All arrays, after their file was compared with its checksum and each with its description."""
    path = place / ARRAYS
    content = _content(path, way_out)
    if digest(content) != manifest["files"].get(ARRAYS):
        raise ArtifactInvalid(
            f"was changed or cut short: its SHA-256 is not the manifest's; {way_out}", field=str(path)
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as exc:
        raise ArtifactInvalid(f"holds no plain arrays ({exc}); {way_out}", field=str(path)) from exc
    described = manifest["arrays"]
    if set(described) != set(arrays):
        raise ArtifactInvalid(
            f"lacks or has too many of {sorted(set(described) ^ set(arrays))}; {way_out}", field=str(path)
        )
    for name, array in arrays.items():
        if array_form(array) != described[name]:
            message = f"is {array_form(array)}, not {described[name]}; {way_out}"
            raise ArtifactInvalid(message, field=f"{path}: {name}")
        why_not = unfit(array)
        if why_not:
            raise ArtifactInvalid(f"{why_not}; {way_out}", field=f"{path}: {name}")
        array.flags.writeable = False
    return arrays


def array_form(array: NDArray[Any]) -> dict[str, Any]:
    """How a manifest describes an array: its kind of number, and its shape."""
    return {"dtype": array.dtype.str, "shape": list(array.shape)}


def unfit(array: NDArray[Any]) -> str:
    """Why an array cannot be part of an artifact; empty when it can: plain numbers or text, all finite."""
    if array.dtype.kind not in "biufU":
        return f"holds {array.dtype}; plain numbers or text are allowed"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "holds numbers that are not finite"
    return ""


def _features(features: dict[str, Any], way_out: str) -> dict[str, Any]:
    """The columns; every one must still exist, and mean what it meant."""
    if features.get("version") != FEATURES_VERSION:
        message = f"is {features.get('version')!r}, and this version of langroute has {FEATURES_VERSION}; {way_out}"
        raise ArtifactInvalid(message, field="features.version")
    for name, known in (("numbers", NUMBERS), ("words", WORDS)):
        columns = features.get(name)
        if not isinstance(columns, list):
            raise ArtifactInvalid(f"is missing; {way_out}", field=f"features.{name}")
        unknown = [column for column in columns if column not in known]
        if unknown:
            message = f"names {', '.join(map(repr, unknown))}, which this version of langroute does not know; {way_out}"
            raise ArtifactInvalid(message, field=f"features.{name}")
    text = features.get("text")
    if isinstance(text, bool) or not isinstance(text, int) or text < 0:
        raise ArtifactInvalid(f"must be the length of the text vector, not {text!r}; {way_out}", field="features.text")
    return features


def _sections(
    described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], way_out: str
) -> dict[str, tuple[Piece, ...]]:
    sections = {}
    for section, value in described.items():
        if section not in _SECTIONS:
            raise ArtifactInvalid(
                f"is no section that this version of langroute knows; {way_out}", field=f"sections.{section}"
            )
        items = value if isinstance(value, list) else [value]
        sections[section] = tuple(
            _piece(section, number, item, arrays, way_out, items) for number, item in enumerate(items)
        )
    return sections


def _piece(
    section: str, number: int, item: Any, arrays: Mapping[str, NDArray[Any]], way_out: str, items: Sequence[Any]
) -> Piece:
    where = f"sections.{section}[{number}]" if len(items) > 1 else f"sections.{section}"
    if not (isinstance(item, dict) and isinstance(item.get("type"), str) and isinstance(item.get("settings"), dict)):
        raise ArtifactInvalid(f"needs a type and settings; {way_out}", field=where)
    names = item.get("arrays", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ArtifactInvalid(f"must be a list of names; {way_out}", field=f"{where}.arrays")
    try:
        own = {name: arrays[array_name(section, number, name)] for name in names}
    except KeyError as exc:
        raise ArtifactInvalid(f"names {exc}, which {ARRAYS} lacks; {way_out}", field=f"{where}.arrays") from exc
    return Piece(type=item["type"], parts=Parts(settings=item["settings"], arrays=own))
