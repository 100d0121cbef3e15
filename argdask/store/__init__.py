"""Stores on disk: their plan, their parts, their receipts."""
