"""A real Apache Kafka on this machine, for the demo, the tests and small sites; apart from the path
of an event.

Here: its life (node.py), its words and files (java.py), its jars (jars.py), processes and ports
(process.py). Not here: speaking Kafka (ingest/stream/).
"""
