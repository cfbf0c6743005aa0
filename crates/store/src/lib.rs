//! The backend database of a node: SQLite or MySQL
