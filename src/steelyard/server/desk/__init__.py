"""The desk: reports that come in through the form, until a case takes them over."""
