"""Finds the tools that a query takes: corpora, a trained encoder, BM25, an index, and the index served."""
