-- Made by `make migrations` from lib/store/migrations/versions/0001_registry.py; change that, not this file.
CREATE SCHEMA IF NOT EXISTS private;

CREATE TABLE private.alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE audit_log (
    id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor_id UUID,
    actor TEXT NOT NULL,
    origin TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_id TEXT,
    before JSONB,
    after JSONB,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (id)
);

CREATE INDEX ix_audit_log_subject_subject_id ON audit_log (subject, subject_id);

CREATE TABLE comparisons (
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    prompt JSONB NOT NULL,
    lanes JSONB DEFAULT '[]' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_comparisons PRIMARY KEY (id)
);

CREATE INDEX ix_comparisons_owner_id ON comparisons (owner_id);

CREATE TABLE conversations (
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    model_id BIGINT,
    system_prompt TEXT,
    settings JSONB DEFAULT '{}' NOT NULL,
    is_archived BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_conversations PRIMARY KEY (id)
);

CREATE INDEX ix_conversations_owner_id_updated_at ON conversations (owner_id, updated_at);

CREATE TABLE hint_events (
    id BIGSERIAL NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    event TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    request_id UUID,
    actor TEXT,
    CONSTRAINT pk_hint_events PRIMARY KEY (id)
);

CREATE INDEX ix_hint_events_provider_model_at ON hint_events (provider, model, at);

CREATE TABLE instances (
    id UUID NOT NULL,
    hostname TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stopped_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_instances PRIMARY KEY (id)
);

CREATE TABLE llm_providers (
    id BIGSERIAL NOT NULL,
    slug TEXT NOT NULL,
    kind TEXT NOT NULL,
    display_name TEXT NOT NULL,
    base_url TEXT,
    settings JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    owner_id UUID,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_llm_providers PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_llm_providers_slug_global ON llm_providers (slug) WHERE owner_id IS NULL;

CREATE UNIQUE INDEX uq_llm_providers_slug_owned ON llm_providers (slug, owner_id) WHERE owner_id IS NOT NULL;

CREATE TABLE model_compatibility_hints (
    id BIGSERIAL NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    supported_endpoints JSONB DEFAULT '[]' NOT NULL,
    unsupported_endpoints JSONB DEFAULT '[]' NOT NULL,
    preferred_endpoint TEXT,
    learned_parameters JSONB DEFAULT '{}' NOT NULL,
    error_count INTEGER DEFAULT '0' NOT NULL,
    success_count INTEGER DEFAULT '0' NOT NULL,
    last_error_type TEXT,
    last_error_message TEXT,
    last_error_time TIMESTAMP WITH TIME ZONE,
    last_success_time TIMESTAMP WITH TIME ZONE,
    is_blacklisted BOOLEAN DEFAULT false NOT NULL,
    blacklist_reason TEXT,
    manual_state TEXT,
    cooldown_until TIMESTAMP WITH TIME ZONE,
    cooldown_reason TEXT,
    next_probe_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_model_compatibility_hints PRIMARY KEY (id),
    CONSTRAINT uq_model_compatibility_hints_provider_model UNIQUE (provider, model)
);

CREATE TABLE private.api_tokens (
    id BIGSERIAL NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    preview TEXT NOT NULL,
    scopes JSONB DEFAULT '[]' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_tokens PRIMARY KEY (id),
    CONSTRAINT uq_api_tokens_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_api_tokens_user_id ON private.api_tokens (user_id);

CREATE TABLE private.credentials (
    id BIGSERIAL NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    provider_id BIGINT NOT NULL,
    model_id BIGINT,
    user_id UUID,
    origin TEXT NOT NULL,
    ciphertext TEXT NOT NULL,
    preview TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tested_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (id),
    CONSTRAINT uq_credentials_subject UNIQUE (subject),
    CONSTRAINT ck_credentials_scope CHECK (scope IN ('model', 'user', 'system'))
);

CREATE INDEX ix_credentials_provider_id ON private.credentials (provider_id);

CREATE TABLE private.encryption_keys (
    key_id TEXT NOT NULL,
    salt TEXT NOT NULL,
    check_value TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_encryption_keys PRIMARY KEY (key_id)
);

CREATE TABLE private.sessions (
    id_hash TEXT NOT NULL,
    user_id UUID NOT NULL,
    data JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_sessions PRIMARY KEY (id_hash)
);

CREATE INDEX ix_sessions_user_id ON private.sessions (user_id);

CREATE TABLE profiles (
    user_id UUID NOT NULL,
    email TEXT,
    display_name TEXT,
    role TEXT DEFAULT 'member' NOT NULL,
    has_subscription BOOLEAN DEFAULT false NOT NULL,
    is_trial BOOLEAN DEFAULT false NOT NULL,
    expiry_date TIMESTAMP WITH TIME ZONE,
    is_active BOOLEAN DEFAULT true NOT NULL,
    preferences JSONB DEFAULT '{}' NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (user_id),
    CONSTRAINT uq_profiles_email UNIQUE (email),
    CONSTRAINT ck_profiles_role CHECK (role IN ('admin', 'analyst', 'member'))
);

CREATE TABLE sync_runs (
    id BIGSERIAL NOT NULL,
    kind TEXT NOT NULL,
    target TEXT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    status TEXT NOT NULL,
    summary JSONB DEFAULT '{}' NOT NULL,
    actor TEXT,
    CONSTRAINT pk_sync_runs PRIMARY KEY (id)
);

CREATE TABLE llm_messages (
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    content JSONB NOT NULL,
    model_id BIGINT,
    model_name TEXT,
    request_id UUID,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_llm_messages PRIMARY KEY (id),
    CONSTRAINT fk_llm_messages_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT uq_llm_messages_conversation_id_position UNIQUE (conversation_id, position),
    CONSTRAINT ck_llm_messages_role CHECK (role IN ('system', 'user', 'assistant', 'tool'))
);

CREATE TABLE llm_models (
    id BIGSERIAL NOT NULL,
    model_key TEXT NOT NULL,
    provider_id BIGINT NOT NULL,
    upstream_id TEXT NOT NULL,
    vendor TEXT,
    priced_as TEXT,
    display_name TEXT NOT NULL,
    model_type TEXT DEFAULT 'chat' NOT NULL,
    capabilities JSONB DEFAULT '{}' NOT NULL,
    context_window INTEGER,
    max_output_tokens INTEGER,
    defaults JSONB DEFAULT '{}' NOT NULL,
    constraints JSONB DEFAULT '{}' NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    fallbacks JSONB DEFAULT '[]' NOT NULL,
    is_active BOOLEAN DEFAULT false NOT NULL,
    is_available BOOLEAN DEFAULT true NOT NULL,
    hidden BOOLEAN DEFAULT false NOT NULL,
    is_default BOOLEAN DEFAULT false NOT NULL,
    display_order INTEGER DEFAULT '0' NOT NULL,
    owner_id UUID,
    last_synced_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_llm_models PRIMARY KEY (id),
    CONSTRAINT fk_llm_models_provider_id FOREIGN KEY(provider_id) REFERENCES llm_providers (id) ON DELETE RESTRICT
);

CREATE INDEX ix_llm_models_provider_id ON llm_models (provider_id);

CREATE UNIQUE INDEX uq_llm_models_default_global ON llm_models (is_default) WHERE is_default AND owner_id IS NULL;

CREATE UNIQUE INDEX uq_llm_models_default_owned ON llm_models (owner_id) WHERE is_default AND owner_id IS NOT NULL;

CREATE UNIQUE INDEX uq_llm_models_key_global ON llm_models (model_key) WHERE owner_id IS NULL;

CREATE UNIQUE INDEX uq_llm_models_key_owned ON llm_models (model_key, owner_id) WHERE owner_id IS NOT NULL;

CREATE TABLE sync_items (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    subject TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_sync_items PRIMARY KEY (id),
    CONSTRAINT fk_sync_items_run_id FOREIGN KEY(run_id) REFERENCES sync_runs (id) ON DELETE CASCADE
);

CREATE INDEX ix_sync_items_run_id ON sync_items (run_id);

CREATE TABLE votes (
    id BIGSERIAL NOT NULL,
    comparison_id UUID NOT NULL,
    voter_id UUID NOT NULL,
    winner TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_votes PRIMARY KEY (id),
    CONSTRAINT fk_votes_comparison_id FOREIGN KEY(comparison_id) REFERENCES comparisons (id) ON DELETE CASCADE,
    CONSTRAINT uq_votes_comparison_id_voter_id UNIQUE (comparison_id, voter_id)
);

CREATE TABLE llm_model_prices (
    id BIGSERIAL NOT NULL,
    model_id BIGINT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
    input NUMERIC,
    output NUMERIC,
    cache_read NUMERIC,
    cache_write_5m NUMERIC,
    cache_write_1h NUMERIC,
    reasoning NUMERIC,
    extra_rates JSONB DEFAULT '{}' NOT NULL,
    tiers JSONB DEFAULT '[]' NOT NULL,
    source TEXT NOT NULL,
    source_detail TEXT,
    created_by TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_llm_model_prices PRIMARY KEY (id),
    CONSTRAINT fk_llm_model_prices_model_id FOREIGN KEY(model_id) REFERENCES llm_models (id) ON DELETE CASCADE,
    CONSTRAINT ck_llm_model_prices_source CHECK (source IN ('seed', 'catalogue', 'manual', 'sync'))
);

CREATE INDEX ix_llm_model_prices_model_id_valid_from ON llm_model_prices (model_id, valid_from, id);

INSERT INTO private.alembic_version (version_num) VALUES ('0001') RETURNING private.alembic_version.version_num;
