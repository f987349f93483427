-- Made by `make migrations` from lib/store/migrations/versions/0006_accounts.py; change that, not this file.
CREATE TABLE private.accounts (
    user_id UUID NOT NULL,
    password_hash TEXT,
    password_set_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (user_id)
);

CREATE TABLE private.sign_in_links (
    token_hash TEXT NOT NULL,
    user_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_sign_in_links PRIMARY KEY (token_hash),
    CONSTRAINT ck_sign_in_links_purpose CHECK (purpose IN ('invite', 'reset'))
);

CREATE INDEX ix_sign_in_links_user_id ON private.sign_in_links (user_id);

CREATE TABLE private.sign_in_failures (
    id BIGSERIAL NOT NULL,
    subject TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sign_in_failures PRIMARY KEY (id)
);

CREATE INDEX ix_sign_in_failures_subject_at ON private.sign_in_failures (subject, at);

UPDATE private.alembic_version SET version_num='0006' WHERE private.alembic_version.version_num = '0005';
