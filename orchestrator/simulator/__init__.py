"""A simulated Fivetran to rehearse against: connections with syncs, and faults on the socket.

Scenarios say what happens; `Simulator` is a WSGI application, so that a test can mount the same
one; `rehearsal` runs a job against it. Needs the extra `demo` (werkzeug).
Imports job/ and all below it.
"""
