"""One module per system: which processes it has, and what must be done before and after its first start."""
