"""What a `defs.yaml` may be an instance of."""

from pipeline_assets.components.unified_table import UnifiedTable

__all__ = ["UnifiedTable"]
