"""Autosave: a journal of prompts and objects outside of the user's data folders, offered after a crash."""
