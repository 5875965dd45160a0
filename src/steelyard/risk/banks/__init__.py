"""Item banks: calibrated from responses, held as documents, held against a model's records."""
