//! Ranking of candidates, with a reason for each one that is not chosen.
