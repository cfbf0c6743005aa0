//! The words ham4db speaks over HTTP: compatible JSON and the typed request for the leader
