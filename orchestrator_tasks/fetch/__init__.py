"""Bringing sources to the worker: by address rules, under limits, through the node's cache. FFmpeg never sees a URL."""
