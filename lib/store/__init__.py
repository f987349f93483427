"""The database: one schema, and the Store every user action goes through."""
