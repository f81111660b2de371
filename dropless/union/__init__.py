"""The union: mapping and the exactly-once worker."""
