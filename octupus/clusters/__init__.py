"""Clusters that one does not own: what they are, what runs on them, and the files that launchers take."""
