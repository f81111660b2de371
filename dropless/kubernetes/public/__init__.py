"""Generated values of public charts, each in its chart's own words."""
