"""The database: one schema, and the Store every user action goes through.

schema, usage_tables   the tables               base, sql, values   the Store and its SQL form
types, engine, faults  columns, connections     audit               the hash-chained record of changes
database, migrations   open, check, upgrade     triggers*, rollups  what keeps figures and records true
fold, rebuild, verify  keep, mend, prove them
"""
