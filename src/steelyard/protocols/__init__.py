"""Protocols that ship with Steelyard, one self-contained folder each.

A folder is a plugin found by entry point; no other room names it.
"""
