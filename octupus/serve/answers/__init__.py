"""What goes out: an answer as it grows, and how each route writes it."""
