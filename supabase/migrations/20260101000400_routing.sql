-- Made by `make migrations` from lib/store/migrations/versions/0004_routing.py; change that, not this file.
ALTER TABLE model_compatibility_hints ADD COLUMN cooldown_count INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_failures INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_lease_by UUID;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_lease_until TIMESTAMP WITH TIME ZONE;

CREATE INDEX ix_hint_events_event_at ON hint_events (event, at);

UPDATE private.alembic_version SET version_num='0004' WHERE private.alembic_version.version_num = '0003';
