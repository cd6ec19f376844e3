"""Writing an artifact: a folder that ``langroute.estimators.artifact`` reads, whole or not at all."""

import io
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid, ConfigError
from langroute.estimators import artifact as form
from langroute.estimators.artifact import Piece
from langroute.estimators.columns import NUMBERS, WORDS
from langroute.parts import Fitted

Sections = Mapping[str, Fitted | Sequence[Fitted]]


def save_artifact(
    folder: str | Path,
    sections: Sections,
    *,
    data: Mapping[str, Any],
    metrics: Mapping[str, Any],
    card: str,
    text: int = 0,
    numbers: Sequence[str] = NUMBERS,
    words: Sequence[str] = WORDS,
) -> Path:
    """Store fitted things in a folder.

    It is written beside its place and then renamed, so that whoever reads sees the old folder, the new one, or for a
    moment none; never half of one. The same arguments give the same bytes.

    Args:
        folder: where to; an artifact that stands there is replaced.
        sections: fitted things by section (``estimator``, ``encoder``, ``acceptance``, ``policy``, ``targets``).
        data: what it was trained on; see ``Examples.described``.
        metrics: what was measured out of fold; plain data.
        card: ``MODEL_CARD.md``.
        text: length of the text vector it reads.
        numbers: columns it reads.
        words: columns it reads.

    Raises:
        ConfigError: something else than an artifact stands there, or the folder cannot be written.
        ArtifactInvalid: a setting is no plain data, or an array no plain finite numbers; nothing is written.
    """
    place = Path(folder).absolute()
    _check_place(place)
    pieces = {section: _pieces(fitted) for section, fitted in sections.items()}
    arrays = _all_arrays(pieces)
    stored = _as_bytes(arrays)
    manifest = _manifest(pieces, arrays, stored, data=data, metrics=metrics)
    manifest["features"] = {
        "version": form.FEATURES_VERSION,
        "numbers": list(numbers),
        "words": list(words),
        "text": text,
    }
    try:
        manifest["checksum"] = form.checksum(manifest)
        told = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError) as exc:
        raise ArtifactInvalid(f"must be plain, finite data as JSON holds it ({exc})", field="settings") from exc
    _write(place, {form.MANIFEST: told.encode() + b"\n", form.ARRAYS: stored, form.CARD: card.encode()})
    return place


def _check_place(place: Path) -> None:
    if place.is_dir():
        if any(place.iterdir()) and not form.is_artifact(place):
            raise ConfigError("holds something that is no artifact; name another folder", field=str(place))
    elif place.exists():
        raise ConfigError("is a file; name a folder", field=str(place))


def _pieces(fitted: Fitted | Sequence[Fitted]) -> list[Piece]:
    items = fitted if isinstance(fitted, Sequence) else [fitted]
    # Of its class: the name of an instance may say more, for example which guarantee a rule keeps.
    return [Piece(type=type(item).name, parts=item.parts()) for item in items]


def _all_arrays(pieces: Mapping[str, Sequence[Piece]]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for section, items in pieces.items():
        for number, piece in enumerate(items):
            for name, array in piece.parts.arrays.items():
                why_not = form.unfit(np.asarray(array))
                if why_not:
                    raise ArtifactInvalid(why_not, field=f"{section}.{piece.type}: {name}")
                arrays[form.array_name(section, number, name)] = np.asarray(array)
    return arrays


def _as_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _manifest(
    pieces: Mapping[str, Sequence[Piece]],
    arrays: Mapping[str, NDArray[Any]],
    stored: bytes,
    *,
    data: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    from langroute import __version__  # noqa: PLC0415 - the package's own name, known when all of it is loaded

    sections: dict[str, Any] = {}
    for section, items in pieces.items():
        told = [
            {"type": item.type, "settings": dict(item.parts.settings), "arrays": sorted(item.parts.arrays)}
            for item in items
        ]
        sections[section] = told if section == "acceptance" else told[0]
    return {
        "format": form.FORMAT,
        "langroute": __version__,
        "data": dict(data),
        "metrics": dict(metrics),
        "sections": sections,
        "arrays": {name: form.array_form(array) for name, array in arrays.items()},
        "files": {form.ARRAYS: form.digest(stored)},
    }


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    """All files at once: a sibling is filled, flushed to the disk and renamed."""
    token = uuid.uuid4().hex[:8]
    fresh, old = place.with_name(f".{place.name}.{token}"), place.with_name(f".{place.name}.{token}.old")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        for name, content in files.items():
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except OSError as exc:
        if old.exists() and not place.exists():
            old.rename(place)
        raise ConfigError(f"cannot be written: {exc.strerror or exc}", field=str(place)) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
