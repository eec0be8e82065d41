"""A Fivetran to rehearse against: connections that live through syncs, and faults on the socket.

Needs the extra `demo` (werkzeug). `Simulator` is a WSGI application, so that a test can mount
the very same one; `serve` runs it by itself.
"""
