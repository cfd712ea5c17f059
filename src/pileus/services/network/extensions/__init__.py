"""Extensions: what of Networking works here."""
