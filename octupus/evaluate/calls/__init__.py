"""Call-level evaluation of held-out conversations: what is asked, how answers are compared, and what is reported."""
