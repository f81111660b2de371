"""Rows of a source read again while changes flow: Debezium's incremental snapshots, slice by slice.

Debezium could be told to read a whole table and be paused and resumed, but its pause is forgotten by a worker that
restarts, a resume that comes while a window is open switches the removal of superseded rows off (PostgreSQL), and a
worker killed amid a window goes on from an arbitrary key of it (MongoDB, whose window has no order). So each signal
asks for one slice, a range of keys of at most one of Debezium's chunks: what is under way is always small, is
finished or is asked for again, and between two slices there is nothing to pause.
"""
