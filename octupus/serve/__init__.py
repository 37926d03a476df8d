"""Serving: an OpenAI-compatible ingress in front of vLLM replicas, on Ray Serve."""
