"""Drawings of the charts: one model, and a renderer for each kind of text or picture.

Draws any chart, and knows nothing of a job: what a report paints over a drawing is job/'s.
Imports machine/, fivetran/ and values/.
"""
