"""`annotations.json`: links that GitLab shows beside the job.

The format is that of https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations
"""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["NAME", "draw"]

NAME = "annotations.json"
SECTION = "Fivetran"


def draw(document: Mapping[str, Any], url: str | None) -> str:
    """The file's text.

    Args:
        document: `result.json`.
        url: Where GitLab will show the page, or None.
    """
    links = {"The connection at Fivetran": document["page"], "What happened in this job": url}
    shown = [{"external_link": {"label": label, "url": link}} for label, link in links.items() if link]
    return json.dumps({SECTION: shown} if shown else {}, indent=2) + "\n"
