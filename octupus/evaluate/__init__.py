"""Evaluation of a served model: requests with expected calls, asked through the OpenAI client, and scored."""
