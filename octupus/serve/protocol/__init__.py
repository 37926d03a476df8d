"""What comes in: the request bodies of each route, checked, and brought into one form."""
