"""Tests of the repository around the code: locks, containers, documents, contracts."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
