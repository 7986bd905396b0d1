"""Events in: Kafka, the contract, the lake.

Here: everything between a producer and a landed row. Not here: what the rows mean clinically.
"""
