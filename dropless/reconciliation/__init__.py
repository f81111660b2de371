"""Whether the source, Pinot and the lake say the same."""
