"""New conversations made from kept ones: pure functions, decided by the seed and the conversations' ids alone."""
