"""Receipts: what somebody gets who has proven a part of what the user's rules ask for."""
