"""One real-time table out of several, with nothing lost on the way."""
