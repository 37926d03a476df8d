"""BFCL v4: the unmodified `bfcl-eval` harness against any OpenAI-compatible endpoint, and scores to be trusted."""
