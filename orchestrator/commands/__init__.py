"""The commands of the command line, a module each: what they take, do and print.

A command's module has `add_to`, which gives its parser the arguments, and `execute`, which does it
and returns the exit code. Only the module of the command that was asked for is imported; what needs
an extra is imported in `execute`, so that its help needs none. Imports all rooms.
"""
