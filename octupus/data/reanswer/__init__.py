"""Re-answering: a teacher writes the assistant's turns of a corpus anew, and each answer is kept as it comes."""
