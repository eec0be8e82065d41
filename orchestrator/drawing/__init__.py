"""Drawings of the charts: one model, and a renderer for each kind of text or picture."""
