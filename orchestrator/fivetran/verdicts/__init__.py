"""A verdict in words: what happened, why, what goes on at Fivetran, what to do now.

It is what somebody reads whose pipeline has just turned red at night.
"""

from orchestrator.fivetran.verdicts.exits import exit_meanings
from orchestrator.fivetran.verdicts.explanation import Explanation, explain, outside
from orchestrator.fivetran.verdicts.headlines import HEADLINES

__all__ = ["HEADLINES", "Explanation", "exit_meanings", "explain", "outside"]
