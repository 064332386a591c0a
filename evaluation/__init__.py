"""Offline judgement: arrays in, numbers out. No input or output happens here."""
