//! Control replicas for online schema changes, and a cluster's representative lag.
