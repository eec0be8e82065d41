"""Charts and what runs and checks them, whatever they are about: a run is a value, and nothing here does I/O.

Imports fivetran/ and values/.
"""
