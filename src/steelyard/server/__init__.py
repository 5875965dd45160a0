"""The disclosure node: storage, the service that cases run on, and its web pages.

No rule lives here; the rules of cases are those of `disclosure`.
"""
