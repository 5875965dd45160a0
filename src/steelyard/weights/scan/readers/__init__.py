"""One module for each format: what its bytes would make a loader do.

A reader takes a part and yields findings, and further parts for what lies inside. It raises
only `MalformedEvidence` and `UnsafeArchive`, whatever it is given.
"""
