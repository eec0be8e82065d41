"""One connection in a pipeline: from its variables to its exit code, its log and its files.

Imports drawing/, machine/, fivetran/ and values/.
"""
