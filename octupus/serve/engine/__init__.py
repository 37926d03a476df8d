"""vLLM and the deployment around it: token ids in, token ids out."""
