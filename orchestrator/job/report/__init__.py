"""What pipelines and people get to see of a run: every file beside `result.json` is drawn from that.

A module for what GitLab reads, one for the page and one for each of its parts. They are imported when
a run ends, and not before.
"""
