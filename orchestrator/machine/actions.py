"""The actions there are: each has a chart."""

from pathlib import Path

__all__ = ["ACTIONS", "FOLDER"]

# Where the charts are installed, and not where Python would look first: a folder of that name may be anybody's.
FOLDER = Path(__file__).parents[2] / "statecharts"
ACTIONS = tuple(sorted(path.stem.upper() for path in FOLDER.glob("*.toml")))
