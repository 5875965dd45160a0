"""Reproducers: what a flaw looks like, as data that anybody can run on a model of their own."""
