"""Pure clinical statistics and transformations: frames in, frames out.

Here: outcomes and the statistics behind them. Not here: clock, file, environment, randomness,
network.
"""
