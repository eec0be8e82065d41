"""The commands of the command line, a module each: what they take, do and print.

A command's module has `add_to`, which gives its parser the arguments, and `execute`, which does it
and returns the exit code. Only the module of the command that was asked for is imported; what needs
an extra is imported in `execute`, so that its help needs none. Imports all rooms.
"""

__all__ = ["COMMANDS"]

# Modules, and what they are for.
COMMANDS = {
    "run": "run a job, from variables and flags; flags win",
    "list": "list the account's connections: id, name, service, state, schedule, last success",
    "init": "print a pipeline job for an action, to copy",
    "demo": "run a job against a simulated Fivetran, in seconds",
    "simulate": "serve a simulated Fivetran, to rehearse a pipeline",
    "diagram": "draw the charts: Mermaid, DOT, svg, png, or a table",
    "check": "check charts: structure, and safety guarantees over every path",
    "debug": "step through a run, forwards and backwards",
    "replay": "replay recorded runs with today's code and charts",
    "report": "write the report of a run from its journal",
    "completion": "print a script with which your shell completes these commands",
}
