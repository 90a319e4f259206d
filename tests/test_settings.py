from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from reelmix.errors import ConfigError, StorageError
from reelmix.settings import Settings, read_toml


class Bake(Settings):
    minutes: int = Field(default=20, ge=1, le=60)
    """How long."""
    heat: float = 180.0
    """Degrees Celsius."""


def test_reads_a_mapping_and_keeps_defaults():
    baked = Bake.read({"minutes": 30}, where="oven.toml")
    assert (baked.minutes, baked.heat) == (30, 180.0)
    assert Bake.model_fields["minutes"].description == "How long."


def test_is_frozen():
    with pytest.raises(ValidationError):
        Bake().minutes = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        (
            {"minute": 3},
            "oven.toml: expected a known setting, found 'minute'. Did you mean 'minutes'?",
        ),
        (
            {"minutes": 0},
            "oven.toml: minutes: expected greater than or equal to 1, found 0. "
            "See the description of minutes in the configuration reference.",
        ),
        (
            {"heat": float("nan")},
            "oven.toml: heat: expected a finite number, found nan. "
            "See the description of heat in the configuration reference.",
        ),
    ],
)
def test_refuses(mapping, text, refusal):
    assert refusal(ConfigError, Bake.read, mapping, where="oven.toml") == text


def test_toml(tmp_path, refusal):
    path = tmp_path / "a.toml"
    path.write_text('[oven]\nminutes = 3\nname = "Öfen"\n', encoding="utf-8")
    assert read_toml(path) == {"oven": {"minutes": 3, "name": "Öfen"}}
    path.write_text("minutes = \n")
    text = refusal(StorageError, read_toml, path)
    assert text.startswith(f"{path}: expected valid TOML, found Invalid value")
    assert text.endswith("Correct that line and try again.")
    path.write_bytes(b"a = '\xff'")
    assert "found 'utf-8' codec can't decode" in refusal(StorageError, read_toml, path)
    path.unlink()
    assert refusal(StorageError, read_toml, path).startswith(f"{path}: expected a TOML file, found nothing.")
