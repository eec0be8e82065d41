"""The commands of the command line, a module each.

A command's module has HELP (one line) and `add_to`, which gives its parser the arguments, and
`execute`, which does it. It imports what it works with in `execute`: the help of all of them
must not cost the modules of all of them.
"""
