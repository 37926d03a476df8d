"""The HTTP side: which requests are admitted, how they are answered whatever happens to replicas, and the routes."""
