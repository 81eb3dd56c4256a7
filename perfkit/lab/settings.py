"""The settings of the sample shop, read from `data/settings.toml`."""

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from perfkit.lab.errors import LabError
from perfkit.lab.resources import data_dir

MAX_SCALE = 10.0  # 45 million rows, about 9 GB: beyond that a mistyped number is more likely than a wish


@dataclass(frozen=True)
class Settings:
    """What `settings.toml` and `schema.sql` say; `fingerprint` changes when something else would come out."""

    seed: str
    first_day: date
    last_day: date
    scales: dict[str, float]
    rows: dict[str, int]
    skew: dict[str, float]
    choices: dict[str, dict[str, int]]
    schema: str
    fingerprint: str

    def sizes(self, scale: float) -> dict[str, int]:
        """Return the number of rows of each table at a scale (a factor, 1.0 is `full`)."""
        return {table: max(1, round(rows * scale)) for table, rows in self.rows.items()}


@cache
def load_settings() -> Settings:
    """Read settings and schema from the data folder."""
    text = (data_dir() / "settings.toml").read_text(encoding="utf-8")
    schema = (data_dir() / "schema.sql").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    return Settings(
        seed=raw["generator"]["seed"],
        first_day=raw["generator"]["first_day"],
        last_day=raw["generator"]["last_day"],
        scales=raw["scales"],
        rows=raw["rows"],
        skew=raw["skew"],
        choices=raw["choices"],
        schema=schema,
        fingerprint=_fingerprint(raw, schema),
    )


def _fingerprint(raw: dict[str, Any], schema: str) -> str:
    """Comments and the names of scales do not count."""
    kept = {key: value for key, value in raw.items() if key != "scales"}
    text = json.dumps([kept, statements(schema)], default=str)  # in the order of the file, which matters
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def statements(schema: str) -> list[str]:
    """Split `schema.sql` into its statements."""
    lines = [line for line in schema.splitlines() if not line.startswith("--")]
    return [part.strip() for part in "\n".join([*lines, ""]).split(";\n") if part.strip()]


@dataclass(frozen=True)
class Scale:
    """A size of the shop: its name in database names (`full`, `0_05`) and its factor."""

    name: str
    factor: float


def parse_scale(scale: str | float | None) -> Scale:
    """Return the scale meant by a name, a number, or (None) by the variable `PERFKIT_SCALE`, else `full`.

    Raises:
        LabError: no such name, or a number outside 0 to 10.
    """
    scales = load_settings().scales
    given = scale if scale is not None else os.environ.get("PERFKIT_SCALE", "").strip() or "full"
    if isinstance(given, str) and given in scales:
        return Scale(given, scales[given])
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= MAX_SCALE:
        names = ", ".join(f"{name} ({value:g})" for name, value in scales.items())
        raise LabError(f"No such scale: {given!r}. Choose {names} or a number from 0 to {MAX_SCALE:g}.")
    for name, value in scales.items():
        if value == factor:
            return Scale(name, value)
    return Scale(f"{factor:.6g}".replace(".", "_").replace("-", "m"), factor)
