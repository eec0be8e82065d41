"""A debugger for runs: step by step, forwards and backwards, at a desk.

    session    what is debugged: a run, the cursor among its moments, and the runs it was forked from
    timeline   one life of a run, lived here or recorded, moment by moment
    rig        the world that a debugged run lives in, with a hand on its requests
    commands   what can be typed, a function each
    screen     how it looks
    shell      where it is typed
    sources   where a session begins

Needs the extra `debug` (rich, prompt_toolkit, and the simulator's werkzeug).
"""
