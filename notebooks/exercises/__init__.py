"""The questions of the notebooks: how an answer is judged, and the hints. Spoilers."""
