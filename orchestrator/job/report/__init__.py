"""What pipelines and people get to see of a run: every file beside `result.json` is drawn from that.

A module each for the files (page, junit, dotenv, annotations) and for the parts of the page. They
are imported when a run ends, and not before.
"""
