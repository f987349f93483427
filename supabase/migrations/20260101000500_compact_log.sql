-- Made by `make migrations` from lib/store/migrations/versions/0005_compact_log.py; change that, not this file.
UPDATE private.alembic_version SET version_num='0005' WHERE private.alembic_version.version_num = '0004';
