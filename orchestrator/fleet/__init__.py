"""Many connections in one job: the same charts, one run a connection, none aware of the others.

Imports job/, machine/, fivetran/ and values/.
"""
