"""The example: three shops whose order tables differ as real ones do."""
