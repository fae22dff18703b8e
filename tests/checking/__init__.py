"""The parts of the checker: server, writers, verdict. See checker.py."""
