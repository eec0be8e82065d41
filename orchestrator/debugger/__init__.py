"""A debugger for runs, step by step, forwards and backwards; and recorded runs, read and replayed.

    journal_reader  a journal, checked and made into steps again
    replay          a recorded run, done again with the code and charts of today
    ports           a run that is debugged, and what it needs from outside
    session         what it went through, and which moment of that is looked at
    sources         where a session begins
    screen          how it looks, and where it is shown
    arguments       what stands after a command's name
    files           what is saved
    views, moves    the commands that look, and those that move
    commands        all of them by name, and a typed line
    shell           where it is typed

Needs the extra `debug` (rich, prompt_toolkit, and the simulator's werkzeug); `journal_reader` and `replay` do not.
Imports simulator/ and all below it.
"""
