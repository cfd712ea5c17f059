"""Extensions: what the first version of the API called its parts."""
