"""The parts of the checker: server, writers, nemesis, readers, truth. See checker.py."""
