"""Runs step by step, forwards and backwards, and replayed: lived here, or read from a journal.

It steps through the very runs of machine/ and decides nothing for them; what a job writes is job/'s.

    session    what is debugged: a run, the cursor among its moments, and the runs it was forked from
    timeline   one life of a run, lived here or recorded, moment by moment
    rig        the world that a debugged run lives in, with a hand on its requests
    commands   what can be typed, a function each
    screen     how it looks
    shell      where it is typed
    sources   where a session begins

Typing and looking need the extra `debug` (rich, prompt_toolkit, and the simulator's werkzeug);
reading and replaying a journal needs none. Imports simulator/ and all below it.
"""
