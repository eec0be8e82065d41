"""What is known about Fivetran: how it is asked, what its answers mean, and how that is said.

Imports values/ alone.
"""
