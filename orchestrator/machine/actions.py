"""The actions there are: each has a chart."""

from pathlib import Path

__all__ = ["ACTIONS", "FOLDER"]

# Where the charts are installed; Python might find another folder of that name first.
FOLDER = Path(__file__).parents[2] / "statecharts"
ACTIONS = tuple(sorted(path.stem.upper() for path in FOLDER.glob("*.toml")))
