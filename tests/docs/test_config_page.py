"""The page on the config file tells of every setting, and its two files are the same settings."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from langroute.actions import Actions
from langroute.config import RouterConfig
from langroute.entry import EntryRule, When
from langroute.scopes import ScopeRule
from langroute.target import Target
from langroute.tiers import Tier

PAGE = (Path(__file__).parents[2] / "docs" / "config.md").read_text("utf-8")


def fence(language: str) -> str:
    (body,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(body)


def test_the_two_files_set_everything_and_the_same(tmp_path: Path) -> None:
    """The YAML and the TOML file of the page name every setting, are valid, and mean the same."""
    configs = []
    for language in ("yaml", "toml"):
        file = tmp_path / f"langroute.{language}"
        file.write_text(fence(language), "utf-8")
        configs.append(RouterConfig.from_file(file))
    assert configs[0] == configs[1]
    assert configs[0].model_fields_set == configs[1].model_fields_set == set(RouterConfig.model_fields)


@pytest.mark.parametrize("model", [RouterConfig, Tier, EntryRule, When, ScopeRule, Target, Actions])
def test_every_setting_has_its_row(model: type[BaseModel]) -> None:
    """Each field stands in a table of the page; where the table tells a plain default, it is the one in force."""
    for name, field in model.model_fields.items():
        rows = re.findall(rf"^\| `{name}` \|(.+)\|$", PAGE, re.MULTILINE)
        assert rows, name
        told = re.match(r" `([^`]+)` \|", rows[0])
        if model in (RouterConfig, Actions) and told:
            assert told[1] == (field.default if isinstance(field.default, str) else json.dumps(field.default)), name
