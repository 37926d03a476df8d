"""How a conversation becomes token ids and how generated ids become a message: one dialect for every part."""
