"""Reading settings from YAML and TOML files."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

from langroute.errors import ConfigError


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping that a YAML or TOML file holds.

    Raises:
        ConfigError: the file is missing, its ending is neither .yaml, .yml nor .toml, or it holds no mapping.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot be read: {exc}", field=str(file)) from exc
    try:
        match file.suffix.lower():
            case ".yaml" | ".yml":
                data = yaml.safe_load(text)
            case ".toml":
                data = tomllib.loads(text)
            case other:
                raise ConfigError(f"ends in {other or 'nothing'}; use .yaml, .yml or .toml", field=str(file))
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: a date that does not exist, or bad TOML
        raise ConfigError(f"is not well-formed: {exc}", field=str(file)) from exc
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise ConfigError("must hold a mapping of settings, by their names", field=str(file))
    return data
