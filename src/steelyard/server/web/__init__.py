"""Everything that the reader of a page sees: presenters, templates, one stylesheet, two scripts.

Decides how a case looks, never what it is. Routes hand in what they hold and get HTML back.
"""
