"""Networks with one hidden space of units: the mean-field bounds of a pair."""
