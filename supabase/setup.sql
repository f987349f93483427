-- All of migrations/ in one, to paste into the SQL editor of a new project.
BEGIN;

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

-- Made by `make migrations` from lib/store/migrations/versions/0002_usage.py; change that, not this file.
CREATE TABLE latency_edges (
    bucket INTEGER NOT NULL,
    lower_ms INTEGER NOT NULL,
    CONSTRAINT pk_latency_edges PRIMARY KEY (bucket),
    CONSTRAINT uq_latency_edges_lower_ms UNIQUE (lower_ms)
);

CREATE TABLE llm_usage_log (
    id BIGSERIAL NOT NULL,
    request_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    is_final BOOLEAN DEFAULT false NOT NULL,
    instance_id UUID,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT DEFAULT 'open' NOT NULL,
    user_id UUID,
    user_name TEXT,
    model_id BIGINT,
    model_key TEXT NOT NULL,
    model_name TEXT NOT NULL,
    provider_id BIGINT,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    endpoint TEXT,
    source TEXT NOT NULL,
    conversation_id UUID,
    message_id UUID,
    api_token_id BIGINT,
    key_scope TEXT,
    is_sample BOOLEAN DEFAULT false NOT NULL,
    input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    usage_extra JSONB,
    usage_source TEXT DEFAULT 'none' NOT NULL,
    cost_nano_usd BIGINT,
    price_id BIGINT,
    price_source TEXT,
    ttft_ms INTEGER,
    latency_ms INTEGER,
    error_class TEXT,
    error_status INTEGER,
    error_message TEXT,
    finish_reason TEXT,
    CONSTRAINT pk_llm_usage_log PRIMARY KEY (id),
    CONSTRAINT ck_llm_usage_log_source CHECK (source IN ('playground', 'api', 'cli', 'test', 'probe')),
    CONSTRAINT ck_llm_usage_log_status CHECK (status IN ('open', 'ok', 'error', 'cancelled', 'interrupted')),
    CONSTRAINT ck_llm_usage_log_usage_source CHECK (usage_source IN ('provider', 'estimated', 'none'))
);

CREATE INDEX ix_llm_usage_log_model_id_started_at ON llm_usage_log (model_id, started_at);

CREATE INDEX ix_llm_usage_log_open ON llm_usage_log (instance_id) WHERE status = 'open';

CREATE INDEX ix_llm_usage_log_started_at ON llm_usage_log (started_at);

CREATE UNIQUE INDEX uq_llm_usage_log_request_id_attempt ON llm_usage_log (request_id, attempt);

CREATE TABLE rollup_state (
    id INTEGER NOT NULL,
    frozen_before TIMESTAMP WITH TIME ZONE,
    rebuild_from TIMESTAMP WITH TIME ZONE,
    rebuild_done_to TIMESTAMP WITH TIME ZONE,
    fold_owner UUID,
    fold_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_rollup_state PRIMARY KEY (id)
);

CREATE TABLE usage_by_model (
    slot_start TIMESTAMP WITH TIME ZONE NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_model PRIMARY KEY (slot_start, model_id, model_key, provider, source, is_sample)
);

CREATE TABLE usage_by_user (
    user_id TEXT NOT NULL,
    slot_start TIMESTAMP WITH TIME ZONE NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_user PRIMARY KEY (user_id, slot_start, model_id, model_key, provider, source, is_sample)
);

CREATE TABLE usage_errors (
    slot_start TIMESTAMP WITH TIME ZONE NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors PRIMARY KEY (slot_start, model_id, model_key, provider, source, is_sample, error_class)
);

CREATE TABLE usage_latency (
    metric TEXT NOT NULL,
    slot_start TIMESTAMP WITH TIME ZONE NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    bucket INTEGER NOT NULL,
    calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency PRIMARY KEY (metric, slot_start, model_id, model_key, provider, source, is_sample, bucket)
);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (0, 0);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (1, 1);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (2, 2);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (3, 3);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (4, 4);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (5, 5);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (6, 6);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (7, 7);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (8, 8);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (9, 9);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (10, 10);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (11, 11);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (12, 12);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (13, 13);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (14, 14);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (15, 15);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (16, 16);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (17, 17);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (18, 18);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (19, 19);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (20, 20);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (21, 24);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (22, 28);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (23, 33);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (24, 39);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (25, 46);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (26, 55);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (27, 66);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (28, 79);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (29, 94);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (30, 112);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (31, 134);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (32, 160);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (33, 192);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (34, 230);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (35, 276);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (36, 331);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (37, 397);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (38, 476);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (39, 571);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (40, 685);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (41, 822);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (42, 986);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (43, 1183);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (44, 1419);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (45, 1702);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (46, 2042);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (47, 2450);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (48, 2940);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (49, 3528);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (50, 4233);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (51, 5079);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (52, 6094);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (53, 7312);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (54, 8774);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (55, 10528);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (56, 12633);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (57, 15159);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (58, 18190);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (59, 21828);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (60, 26193);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (61, 31431);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (62, 37717);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (63, 45260);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (64, 54312);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (65, 65174);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (66, 78208);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (67, 93849);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (68, 112618);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (69, 135141);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (70, 162169);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (71, 194602);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (72, 233522);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (73, 280226);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (74, 336271);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (75, 403525);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (76, 484230);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (77, 581076);

INSERT INTO latency_edges (bucket, lower_ms) VALUES (78, 697291);

INSERT INTO rollup_state (id) VALUES (1);

CREATE TABLE usage_delta (
    id BIGSERIAL NOT NULL,
    user_id TEXT NOT NULL,
    slot_start TIMESTAMP WITH TIME ZONE NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT,
    latency_bucket INTEGER,
    ttft_bucket INTEGER,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_delta PRIMARY KEY (id)
);

UPDATE private.alembic_version SET version_num='0002' WHERE private.alembic_version.version_num = '0001';

-- Made by `make migrations` from lib/store/migrations/versions/0003_grains.py; change that, not this file.
ALTER TABLE llm_usage_log ADD COLUMN cache_saving_nano_usd BIGINT;

CREATE INDEX ix_llm_usage_log_user_id_started_at ON llm_usage_log (user_id, started_at);

CREATE INDEX ix_llm_usage_log_failed ON llm_usage_log (started_at) WHERE (status NOT IN ('open', 'ok') OR error_class IS NOT NULL OR error_message IS NOT NULL);

CREATE INDEX ix_llm_usage_log_without_cost ON llm_usage_log (started_at) WHERE (cost_nano_usd IS NULL AND status <> 'open');

CREATE TABLE usage_models (
    id BIGSERIAL NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    CONSTRAINT pk_usage_models PRIMARY KEY (id),
    CONSTRAINT uq_usage_models_model_key_provider_model_id_is_sample UNIQUE (model_key, provider, model_id, is_sample)
);

CREATE TABLE usage_users (
    id BIGSERIAL NOT NULL,
    user_id TEXT NOT NULL,
    CONSTRAINT pk_usage_users PRIMARY KEY (id),
    CONSTRAINT uq_usage_users_user_id UNIQUE (user_id)
);

DROP TABLE usage_by_model;

DROP TABLE usage_by_user;

DROP TABLE usage_errors;

DROP TABLE usage_latency;

CREATE TABLE usage_by_source (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_source PRIMARY KEY (slot, is_sample, source)
);

CREATE TABLE usage_by_source_3h (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_source_3h PRIMARY KEY (slot, is_sample, source)
);

CREATE TABLE usage_by_source_day (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_source_day PRIMARY KEY (slot, is_sample, source)
);

CREATE TABLE usage_by_model (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_model PRIMARY KEY (slot, model_ref)
);

CREATE TABLE usage_by_model_3h (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_model_3h PRIMARY KEY (slot, model_ref)
);

CREATE TABLE usage_by_model_day (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_model_day PRIMARY KEY (slot, model_ref)
);

CREATE TABLE usage_by_user (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    user_ref INTEGER NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_user PRIMARY KEY (slot, is_sample, user_ref)
);

CREATE TABLE usage_by_user_day (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    user_ref INTEGER NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_user_day PRIMARY KEY (slot, is_sample, user_ref)
);

CREATE TABLE usage_by_model_source_day (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    source TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_model_source_day PRIMARY KEY (slot, model_ref, source)
);

CREATE TABLE usage_latency (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency PRIMARY KEY (slot, is_sample, bucket)
);

CREATE TABLE usage_latency_3h (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency_3h PRIMARY KEY (slot, is_sample, bucket)
);

CREATE TABLE usage_latency_day (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency_day PRIMARY KEY (slot, is_sample, bucket)
);

CREATE TABLE usage_latency_by_model (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency_by_model PRIMARY KEY (slot, model_ref, bucket)
);

CREATE TABLE usage_latency_by_model_3h (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency_by_model_3h PRIMARY KEY (slot, model_ref, bucket)
);

CREATE TABLE usage_latency_by_model_day (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    latency_calls BIGINT DEFAULT '0' NOT NULL,
    ttft_calls BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_latency_by_model_day PRIMARY KEY (slot, model_ref, bucket)
);

CREATE TABLE usage_errors (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors PRIMARY KEY (slot, is_sample, error_class)
);

CREATE TABLE usage_errors_3h (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors_3h PRIMARY KEY (slot, is_sample, error_class)
);

CREATE TABLE usage_errors_day (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors_day PRIMARY KEY (slot, is_sample, error_class)
);

CREATE TABLE usage_errors_by_model (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors_by_model PRIMARY KEY (slot, model_ref, error_class)
);

CREATE TABLE usage_errors_by_model_3h (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors_by_model_3h PRIMARY KEY (slot, model_ref, error_class)
);

CREATE TABLE usage_errors_by_model_day (
    slot INTEGER NOT NULL,
    model_ref INTEGER NOT NULL,
    error_class TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_errors_by_model_day PRIMARY KEY (slot, model_ref, error_class)
);

DROP TABLE usage_delta;

CREATE TABLE usage_delta (
    id BIGSERIAL NOT NULL,
    slot INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    model_id BIGINT NOT NULL,
    model_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    is_sample BOOLEAN NOT NULL,
    error_class TEXT,
    latency_bucket INTEGER,
    ttft_bucket INTEGER,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_delta PRIMARY KEY (id)
);

UPDATE rollup_state SET rebuild_from='1970-01-01 00:00:00+00', rebuild_done_to='1970-01-01 00:00:00+00';

UPDATE private.alembic_version SET version_num='0003' WHERE private.alembic_version.version_num = '0002';

-- Made by `make migrations` from lib/store/migrations/versions/0004_routing.py; change that, not this file.
ALTER TABLE model_compatibility_hints ADD COLUMN cooldown_count INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_failures INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_lease_by UUID;

ALTER TABLE model_compatibility_hints ADD COLUMN probe_lease_until TIMESTAMP WITH TIME ZONE;

CREATE INDEX ix_hint_events_event_at ON hint_events (event, at);

UPDATE private.alembic_version SET version_num='0004' WHERE private.alembic_version.version_num = '0003';

-- Made by `make migrations` from lib/store/migrations/versions/0005_compact_log.py; change that, not this file.
UPDATE private.alembic_version SET version_num='0005' WHERE private.alembic_version.version_num = '0004';

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

-- Made by `make migrations` from lib/store/migrations/versions/0007_key_scope.py; change that, not this file.

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'usage\_%\_now' LOOP
    EXECUTE format('DROP VIEW public.%I', found.viewname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', found.tgname, found.relname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, 'modeldeck_') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$;
CREATE TABLE usage_by_key (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    key_scope TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_key PRIMARY KEY (slot, is_sample, key_scope)
);

INSERT INTO usage_by_key (slot, is_sample, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT slot, is_sample, 'unknown', CAST(sum(attempts) AS bigint), CAST(sum(requests) AS bigint), CAST(sum(failed_requests) AS bigint), CAST(sum(ok) AS bigint), CAST(sum(errors) AS bigint), CAST(sum(cancelled) AS bigint), CAST(sum(interrupted) AS bigint), CAST(sum(unpriced) AS bigint), CAST(sum(input_tokens) AS bigint), CAST(sum(cache_read_tokens) AS bigint), CAST(sum(cache_write_tokens) AS bigint), CAST(sum(cache_write_1h_tokens) AS bigint), CAST(sum(output_tokens) AS bigint), CAST(sum(reasoning_tokens) AS bigint), CAST(sum(cost_nano_usd) AS bigint), CAST(sum(cache_saving_nano_usd) AS bigint), CAST(sum(latency_ms_sum) AS bigint), CAST(sum(latency_count) AS bigint), CAST(sum(ttft_ms_sum) AS bigint), CAST(sum(ttft_count) AS bigint) FROM usage_by_source GROUP BY slot, is_sample;

CREATE TABLE usage_by_key_day (
    slot INTEGER NOT NULL,
    is_sample BOOLEAN NOT NULL,
    key_scope TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    requests BIGINT DEFAULT '0' NOT NULL,
    failed_requests BIGINT DEFAULT '0' NOT NULL,
    ok BIGINT DEFAULT '0' NOT NULL,
    errors BIGINT DEFAULT '0' NOT NULL,
    cancelled BIGINT DEFAULT '0' NOT NULL,
    interrupted BIGINT DEFAULT '0' NOT NULL,
    unpriced BIGINT DEFAULT '0' NOT NULL,
    input_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_read_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_tokens BIGINT DEFAULT '0' NOT NULL,
    cache_write_1h_tokens BIGINT DEFAULT '0' NOT NULL,
    output_tokens BIGINT DEFAULT '0' NOT NULL,
    reasoning_tokens BIGINT DEFAULT '0' NOT NULL,
    cost_nano_usd BIGINT DEFAULT '0' NOT NULL,
    cache_saving_nano_usd BIGINT DEFAULT '0' NOT NULL,
    latency_ms_sum BIGINT DEFAULT '0' NOT NULL,
    latency_count BIGINT DEFAULT '0' NOT NULL,
    ttft_ms_sum BIGINT DEFAULT '0' NOT NULL,
    ttft_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage_by_key_day PRIMARY KEY (slot, is_sample, key_scope)
);

INSERT INTO usage_by_key_day (slot, is_sample, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT slot, is_sample, 'unknown', CAST(sum(attempts) AS bigint), CAST(sum(requests) AS bigint), CAST(sum(failed_requests) AS bigint), CAST(sum(ok) AS bigint), CAST(sum(errors) AS bigint), CAST(sum(cancelled) AS bigint), CAST(sum(interrupted) AS bigint), CAST(sum(unpriced) AS bigint), CAST(sum(input_tokens) AS bigint), CAST(sum(cache_read_tokens) AS bigint), CAST(sum(cache_write_tokens) AS bigint), CAST(sum(cache_write_1h_tokens) AS bigint), CAST(sum(output_tokens) AS bigint), CAST(sum(reasoning_tokens) AS bigint), CAST(sum(cost_nano_usd) AS bigint), CAST(sum(cache_saving_nano_usd) AS bigint), CAST(sum(latency_ms_sum) AS bigint), CAST(sum(latency_count) AS bigint), CAST(sum(ttft_ms_sum) AS bigint), CAST(sum(ttft_count) AS bigint) FROM usage_by_source_day GROUP BY slot, is_sample;

UPDATE llm_usage_log SET key_scope = 'own' WHERE key_scope = 'model';

ALTER TABLE usage_delta ADD COLUMN key_scope text NOT NULL DEFAULT 'unknown';

ALTER TABLE usage_delta ALTER COLUMN key_scope DROP DEFAULT;

ALTER TABLE usage_by_user_day ADD COLUMN key_scope text NOT NULL DEFAULT 'unknown';

ALTER TABLE usage_by_user_day ALTER COLUMN key_scope DROP DEFAULT;

ALTER TABLE usage_by_model_source_day ADD COLUMN key_scope text NOT NULL DEFAULT 'unknown';

ALTER TABLE usage_by_model_source_day ALTER COLUMN key_scope DROP DEFAULT;

ALTER TABLE usage_by_user_day DROP CONSTRAINT pk_usage_by_user_day, ADD CONSTRAINT pk_usage_by_user_day PRIMARY KEY (slot, is_sample, user_ref, key_scope);

ALTER TABLE usage_by_model_source_day DROP CONSTRAINT pk_usage_by_model_source_day, ADD CONSTRAINT pk_usage_by_model_source_day PRIMARY KEY (slot, model_ref, source, key_scope);

UPDATE rollup_state SET rebuild_from='1970-01-01 00:00:00+00', rebuild_done_to='1970-01-01 00:00:00+00';

UPDATE private.alembic_version SET version_num='0007' WHERE private.alembic_version.version_num = '0006';

-- Made by `make migrations` from lib/store/migrations/versions/0008_identities.py; change that, not this file.

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'usage\_%\_now' LOOP
    EXECUTE format('DROP VIEW public.%I', found.viewname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', found.tgname, found.relname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, 'modeldeck_') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$;
CREATE TABLE private.identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT uq_identities_user_id_issuer UNIQUE (user_id, issuer)
);

UPDATE private.alembic_version SET version_num='0008' WHERE private.alembic_version.version_num = '0007';

-- Made by `make migrations` from lib/store/migrations/versions/0009_shared_names.py; change that, not this file.

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'usage\_%\_now' LOOP
    EXECUTE format('DROP VIEW public.%I', found.viewname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', found.tgname, found.relname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, 'modeldeck_') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$;
UPDATE private.alembic_version SET version_num='0009' WHERE private.alembic_version.version_num = '0008';

-- Made by `make migrations` from lib/store/triggers*.py and supabase_*.py; change that, not this file.

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'usage\_%\_now' LOOP
    EXECUTE format('DROP VIEW public.%I', found.viewname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', found.tgname, found.relname);
  END LOOP;
END $do$;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, 'modeldeck_') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$;

CREATE OR REPLACE FUNCTION private.usage_log_insert() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN INSERT INTO usage_delta (slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM new_rows AS log WHERE status <> 'open'; RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.usage_log_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN IF NOT EXISTS (SELECT FROM old_rows WHERE status <> 'open') THEN INSERT INTO usage_delta (slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM new_rows AS log WHERE status <> 'open'; ELSE INSERT INTO usage_delta (slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, -attempts, -requests, -failed_requests, -ok, -errors, -cancelled, -interrupted, -unpriced, -input_tokens, -cache_read_tokens, -cache_write_tokens, -cache_write_1h_tokens, -output_tokens, -reasoning_tokens, -cost_nano_usd, -cache_saving_nano_usd, -latency_ms_sum, -latency_count, -ttft_ms_sum, -ttft_count FROM (SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM old_rows AS log WHERE status <> 'open' EXCEPT ALL SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM new_rows AS log WHERE status <> 'open') AS gone UNION ALL SELECT slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM (SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM new_rows AS log WHERE status <> 'open' EXCEPT ALL SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM old_rows AS log WHERE status <> 'open') AS come; END IF; RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.usage_log_delete() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN INSERT INTO usage_delta (slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count) SELECT slot, user_id, model_id, model_key, provider, source, key_scope, is_sample, error_class, latency_bucket, ttft_bucket, -attempts, -requests, -failed_requests, -ok, -errors, -cancelled, -interrupted, -unpriced, -input_tokens, -cache_read_tokens, -cache_write_tokens, -cache_write_1h_tokens, -output_tokens, -reasoning_tokens, -cost_nano_usd, -cache_saving_nano_usd, -latency_ms_sum, -latency_count, -ttft_ms_sum, -ttft_count FROM (SELECT CAST(floor(extract(epoch FROM started_at) / 1800) AS integer) AS slot, coalesce(CAST(user_id AS text), '') AS user_id, coalesce(model_id, 0) AS model_id, model_key, provider, source, coalesce(key_scope, '') AS key_scope, is_sample, error_class, CASE WHEN status = 'ok' AND latency_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= latency_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS latency_bucket, CASE WHEN status = 'ok' AND ttft_ms IS NOT NULL THEN coalesce((SELECT bucket FROM latency_edges WHERE lower_ms <= ttft_ms ORDER BY lower_ms DESC LIMIT 1), 0) END AS ttft_bucket, 1 AS attempts, CASE WHEN attempt = 1 THEN 1 ELSE 0 END AS requests, CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END AS failed_requests, CASE WHEN status = 'ok' THEN 1 ELSE 0 END AS ok, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS errors, CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END AS interrupted, CASE WHEN (cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0)) THEN 1 ELSE 0 END AS unpriced, coalesce(input_tokens, 0) AS input_tokens, coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd, coalesce(cache_saving_nano_usd, 0) AS cache_saving_nano_usd, coalesce(latency_ms, 0) AS latency_ms_sum, CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END AS latency_count, coalesce(ttft_ms, 0) AS ttft_ms_sum, CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END AS ttft_count FROM old_rows AS log WHERE status <> 'open' AND started_at >= coalesce((SELECT frozen_before FROM rollup_state WHERE id = 1), '-infinity')) AS gone; RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.models_default_lock() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN PERFORM pg_advisory_xact_lock(7310946); RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.models_default_move() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN UPDATE llm_models SET is_default = false, version = version + 1, updated_at = NEW.updated_at WHERE is_default AND owner_id IS NOT DISTINCT FROM NEW.owner_id AND id <> NEW.id AND model_key <> NEW.model_key; RETURN NEW; END$$;

CREATE OR REPLACE FUNCTION private.audit_log_lock() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN PERFORM pg_advisory_xact_lock(7310945); RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.audit_log_chain() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN IF NEW.id <> coalesce((SELECT max(id) FROM audit_log), 0) + 1 OR NEW.previous_hash <> coalesce((SELECT hash FROM audit_log WHERE id = NEW.id - 1), '0000000000000000000000000000000000000000000000000000000000000000') THEN RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END$$;

CREATE OR REPLACE FUNCTION private.profiles_keep_admin() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN PERFORM FROM public.profiles WHERE role = 'admin' AND is_active LIMIT 1 FOR SHARE; IF FOUND = (TG_OP = 'TRUNCATE') THEN RAISE EXCEPTION 'profiles keep the last admin' USING ERRCODE = 'restrict_violation'; END IF; RETURN NULL; END$$;

CREATE OR REPLACE FUNCTION private.usage_log_truncate() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN RAISE EXCEPTION 'llm_usage_log keeps rollups: delete its rows instead' USING ERRCODE = 'restrict_violation'; END$$;

CREATE OR REPLACE FUNCTION private.audit_log_append_only() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN  RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'restrict_violation'; END$$;

CREATE OR REPLACE FUNCTION private.hint_events_append_only() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN  RAISE EXCEPTION 'hint_events is append-only' USING ERRCODE = 'restrict_violation'; END$$;

CREATE OR REPLACE FUNCTION private.llm_model_prices_append_only() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$BEGIN IF TG_OP = 'DELETE' THEN IF NOT EXISTS (SELECT 1 FROM llm_models WHERE id = OLD.model_id) THEN RETURN OLD; END IF; END IF; RAISE EXCEPTION 'llm_model_prices is append-only' USING ERRCODE = 'restrict_violation'; END$$;

CREATE TRIGGER trg_usage_log_insert AFTER INSERT ON public.llm_usage_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.usage_log_insert();

CREATE TRIGGER trg_usage_log_update AFTER UPDATE ON public.llm_usage_log REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION private.usage_log_update();

CREATE TRIGGER trg_usage_log_delete AFTER DELETE ON public.llm_usage_log REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION private.usage_log_delete();

CREATE TRIGGER trg_usage_log_truncate BEFORE TRUNCATE ON public.llm_usage_log FOR EACH STATEMENT EXECUTE FUNCTION private.usage_log_truncate();

CREATE TRIGGER trg_audit_log_lock BEFORE INSERT ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION private.audit_log_lock();

CREATE TRIGGER trg_audit_log_chain BEFORE INSERT ON public.audit_log FOR EACH ROW EXECUTE FUNCTION private.audit_log_chain();

CREATE TRIGGER trg_models_default_lock BEFORE INSERT OR UPDATE OF is_default, owner_id ON public.llm_models FOR EACH STATEMENT EXECUTE FUNCTION private.models_default_lock();

CREATE TRIGGER trg_models_default_move BEFORE INSERT OR UPDATE OF is_default, owner_id ON public.llm_models FOR EACH ROW WHEN (new.is_default) EXECUTE FUNCTION private.models_default_move();

CREATE TRIGGER trg_profiles_admin_lock BEFORE DELETE OR UPDATE OF role, is_active ON public.profiles FOR EACH STATEMENT EXECUTE FUNCTION private.audit_log_lock();

CREATE TRIGGER trg_profiles_keep_admin_update AFTER UPDATE ON public.profiles FOR EACH ROW WHEN (((old.role = 'admin'::text) AND old.is_active AND (NOT ((new.role = 'admin'::text) AND new.is_active)))) EXECUTE FUNCTION private.profiles_keep_admin();

CREATE TRIGGER trg_profiles_keep_admin_delete AFTER DELETE ON public.profiles FOR EACH ROW WHEN (((old.role = 'admin'::text) AND old.is_active)) EXECUTE FUNCTION private.profiles_keep_admin();

CREATE TRIGGER trg_profiles_no_truncate BEFORE TRUNCATE ON public.profiles FOR EACH STATEMENT EXECUTE FUNCTION private.profiles_keep_admin();

CREATE TRIGGER trg_audit_log_append_only BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION private.audit_log_append_only();

CREATE TRIGGER trg_audit_log_no_truncate BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION private.audit_log_append_only();

CREATE TRIGGER trg_hint_events_append_only BEFORE DELETE OR UPDATE ON public.hint_events FOR EACH ROW EXECUTE FUNCTION private.hint_events_append_only();

CREATE TRIGGER trg_hint_events_no_truncate BEFORE TRUNCATE ON public.hint_events FOR EACH STATEMENT EXECUTE FUNCTION private.hint_events_append_only();

CREATE TRIGGER trg_llm_model_prices_append_only BEFORE DELETE OR UPDATE ON public.llm_model_prices FOR EACH ROW EXECUTE FUNCTION private.llm_model_prices_append_only();

CREATE TRIGGER trg_llm_model_prices_no_truncate BEFORE TRUNCATE ON public.llm_model_prices FOR EACH STATEMENT EXECUTE FUNCTION private.llm_model_prices_append_only();

CREATE VIEW public.usage_by_source_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.source, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_source AS rolled UNION ALL SELECT slot, is_sample, source, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_source_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.source, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_source_3h AS rolled UNION ALL SELECT slot / 6 * 6 AS slot, is_sample, source, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_source_day_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.source, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_source_day AS rolled UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, source, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_key_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.key_scope, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_key AS rolled UNION ALL SELECT slot, is_sample, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_key_day_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.key_scope, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_key_day AS rolled UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_model_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_model AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot, model_key, provider, model_id, is_sample, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_model_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_model_3h AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 6 * 6 AS slot, model_key, provider, model_id, is_sample, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_model_day_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_model_day AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 48 * 48 AS slot, model_key, provider, model_id, is_sample, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_user_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, usage_users.user_id, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_user AS rolled CROSS JOIN usage_users WHERE usage_users.id = rolled.user_ref UNION ALL SELECT slot, is_sample, user_id, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_user_day_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, usage_users.user_id, rolled.key_scope, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_user_day AS rolled CROSS JOIN usage_users WHERE usage_users.id = rolled.user_ref UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, user_id, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_by_model_source_day_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.source, rolled.key_scope, rolled.attempts, rolled.requests, rolled.failed_requests, rolled.ok, rolled.errors, rolled.cancelled, rolled.interrupted, rolled.unpriced, rolled.input_tokens, rolled.cache_read_tokens, rolled.cache_write_tokens, rolled.cache_write_1h_tokens, rolled.output_tokens, rolled.reasoning_tokens, rolled.cost_nano_usd, rolled.cache_saving_nano_usd, rolled.latency_ms_sum, rolled.latency_count, rolled.ttft_ms_sum, rolled.ttft_count FROM usage_by_model_source_day AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 48 * 48 AS slot, model_key, provider, model_id, is_sample, source, key_scope, attempts, requests, failed_requests, ok, errors, cancelled, interrupted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano_usd, cache_saving_nano_usd, latency_ms_sum, latency_count, ttft_ms_sum, ttft_count FROM usage_delta AS event;

CREATE VIEW public.usage_latency_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency AS rolled UNION ALL SELECT slot, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_latency_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency_3h AS rolled UNION ALL SELECT slot / 6 * 6 AS slot, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot / 6 * 6 AS slot, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_latency_day_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency_day AS rolled UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_latency_by_model_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency_by_model AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot, model_key, provider, model_id, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot, model_key, provider, model_id, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_latency_by_model_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency_by_model_3h AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 6 * 6 AS slot, model_key, provider, model_id, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot / 6 * 6 AS slot, model_key, provider, model_id, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_latency_by_model_day_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.bucket, rolled.latency_calls, rolled.ttft_calls FROM usage_latency_by_model_day AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 48 * 48 AS slot, model_key, provider, model_id, is_sample, latency_bucket AS bucket, attempts AS latency_calls, 0 AS ttft_calls FROM usage_delta AS event WHERE latency_bucket IS NOT NULL UNION ALL SELECT slot / 48 * 48 AS slot, model_key, provider, model_id, is_sample, ttft_bucket AS bucket, 0 AS latency_calls, attempts AS ttft_calls FROM usage_delta AS event WHERE ttft_bucket IS NOT NULL;

CREATE VIEW public.usage_errors_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.error_class, rolled.attempts FROM usage_errors AS rolled UNION ALL SELECT slot, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE VIEW public.usage_errors_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.error_class, rolled.attempts FROM usage_errors_3h AS rolled UNION ALL SELECT slot / 6 * 6 AS slot, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE VIEW public.usage_errors_day_now WITH (security_invoker = true) AS SELECT rolled.slot, rolled.is_sample, rolled.error_class, rolled.attempts FROM usage_errors_day AS rolled UNION ALL SELECT slot / 48 * 48 AS slot, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE VIEW public.usage_errors_by_model_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.error_class, rolled.attempts FROM usage_errors_by_model AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot, model_key, provider, model_id, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE VIEW public.usage_errors_by_model_3h_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.error_class, rolled.attempts FROM usage_errors_by_model_3h AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 6 * 6 AS slot, model_key, provider, model_id, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE VIEW public.usage_errors_by_model_day_now WITH (security_invoker = true) AS SELECT rolled.slot, usage_models.model_key, usage_models.provider, usage_models.model_id, usage_models.is_sample, rolled.error_class, rolled.attempts FROM usage_errors_by_model_day AS rolled CROSS JOIN usage_models WHERE usage_models.id = rolled.model_ref UNION ALL SELECT slot / 48 * 48 AS slot, model_key, provider, model_id, is_sample, error_class, attempts FROM usage_delta AS event WHERE error_class IS NOT NULL;

CREATE OR REPLACE FUNCTION private.person() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
  SELECT user_id FROM public.profiles WHERE user_id = (SELECT auth.uid()) AND is_active
$function$;

CREATE OR REPLACE FUNCTION private.has_role(VARIADIC roles text[]) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $function$
  SELECT EXISTS (SELECT FROM public.profiles WHERE user_id = (SELECT auth.uid()) AND is_active AND role = ANY (roles))
$function$;

CREATE OR REPLACE FUNCTION private.guard_profile() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $function$
BEGIN
  IF pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') OR current_user = 'service_role' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'INSERT' OR (NEW.user_id, NEW.email, NEW.role, NEW.has_subscription, NEW.is_trial, NEW.expiry_date, NEW.is_active, NEW.created_at) IS DISTINCT FROM (OLD.user_id, OLD.email, OLD.role, OLD.has_subscription, OLD.is_trial, OLD.expiry_date, OLD.is_active, OLD.created_at) THEN
    RAISE EXCEPTION 'only an admin changes roles, subscriptions and addresses' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION private.guard_server_only() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $function$
BEGIN
  IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
    RAISE EXCEPTION '% is written by the server alone', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION private.add_profile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
  IF NOT coalesce(NEW.is_anonymous, false) THEN
    INSERT INTO public.profiles (user_id, email, display_name, created_at, updated_at)
      VALUES (NEW.id, lower(NEW.email), left(NEW.raw_user_meta_data ->> 'display_name', 200),
        date_trunc('milliseconds', now()), date_trunc('milliseconds', now()))
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION private.follow_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $function$
BEGIN
  IF TG_OP = 'DELETE' THEN
    UPDATE public.profiles SET is_active = false, email = NULL, version = version + 1, updated_at = date_trunc('milliseconds', now())
      WHERE user_id = OLD.id;
  ELSE
    UPDATE public.profiles SET email = lower(NEW.email), version = version + 1, updated_at = date_trunc('milliseconds', now())
      WHERE user_id = NEW.id AND email IS DISTINCT FROM lower(NEW.email);
  END IF;
  RETURN NULL;
END
$function$;

REVOKE ALL ON SCHEMA private FROM public, anon, authenticated, service_role;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA private FROM public, anon, authenticated, service_role;

GRANT EXECUTE ON FUNCTION private.person(), private.has_role(text[]) TO authenticated;

REVOKE ALL ON public.audit_log, public.comparisons, public.conversations, public.hint_events, public.instances, public.latency_edges, public.llm_messages, public.llm_model_prices, public.llm_models, public.llm_providers, public.llm_usage_log, public.model_compatibility_hints, public.profiles, public.rollup_state, public.sync_items, public.sync_runs, public.usage_by_key, public.usage_by_key_day, public.usage_by_model, public.usage_by_model_3h, public.usage_by_model_day, public.usage_by_model_source_day, public.usage_by_source, public.usage_by_source_3h, public.usage_by_source_day, public.usage_by_user, public.usage_by_user_day, public.usage_delta, public.usage_errors, public.usage_errors_3h, public.usage_errors_by_model, public.usage_errors_by_model_3h, public.usage_errors_by_model_day, public.usage_errors_day, public.usage_latency, public.usage_latency_3h, public.usage_latency_by_model, public.usage_latency_by_model_3h, public.usage_latency_by_model_day, public.usage_latency_day, public.usage_models, public.usage_users, public.votes, public.usage_by_source_now, public.usage_by_source_3h_now, public.usage_by_source_day_now, public.usage_by_key_now, public.usage_by_key_day_now, public.usage_by_model_now, public.usage_by_model_3h_now, public.usage_by_model_day_now, public.usage_by_user_now, public.usage_by_user_day_now, public.usage_by_model_source_day_now, public.usage_latency_now, public.usage_latency_3h_now, public.usage_latency_day_now, public.usage_latency_by_model_now, public.usage_latency_by_model_3h_now, public.usage_latency_by_model_day_now, public.usage_errors_now, public.usage_errors_3h_now, public.usage_errors_day_now, public.usage_errors_by_model_now, public.usage_errors_by_model_3h_now, public.usage_errors_by_model_day_now FROM public, anon, authenticated, service_role;

REVOKE ALL ON private.accounts, private.api_tokens, private.credentials, private.encryption_keys, private.identities, private.sessions, private.sign_in_failures, private.sign_in_links, private.alembic_version FROM public, anon, authenticated, service_role;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT s.oid::regclass AS name, t.relname AS numbered FROM pg_class AS s
      JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype = 'a' JOIN pg_class AS t ON t.oid = d.refobjid
      WHERE s.relkind = 'S' AND (t.relnamespace = 'public'::regnamespace AND t.relname = ANY ('{audit_log,comparisons,conversations,hint_events,instances,latency_edges,llm_messages,llm_model_prices,llm_models,llm_providers,llm_usage_log,model_compatibility_hints,profiles,rollup_state,sync_items,sync_runs,usage_by_key,usage_by_key_day,usage_by_model,usage_by_model_3h,usage_by_model_day,usage_by_model_source_day,usage_by_source,usage_by_source_3h,usage_by_source_day,usage_by_user,usage_by_user_day,usage_delta,usage_errors,usage_errors_3h,usage_errors_by_model,usage_errors_by_model_3h,usage_errors_by_model_day,usage_errors_day,usage_latency,usage_latency_3h,usage_latency_by_model,usage_latency_by_model_3h,usage_latency_by_model_day,usage_latency_day,usage_models,usage_users,votes}')
        OR t.relnamespace = 'private'::regnamespace AND t.relname = ANY ('{accounts,api_tokens,credentials,encryption_keys,identities,sessions,sign_in_failures,sign_in_links,alembic_version}')) LOOP
    EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM public, anon, authenticated, service_role', found.name);
    IF found.numbered = ANY ('{audit_log,comparisons,conversations,hint_events,instances,latency_edges,llm_messages,llm_model_prices,llm_models,llm_providers,llm_usage_log,model_compatibility_hints,profiles,rollup_state,sync_items,sync_runs,usage_by_key,usage_by_key_day,usage_by_model,usage_by_model_3h,usage_by_model_day,usage_by_model_source_day,usage_by_source,usage_by_source_3h,usage_by_source_day,usage_by_user,usage_by_user_day,usage_delta,usage_errors,usage_errors_3h,usage_errors_by_model,usage_errors_by_model_3h,usage_errors_by_model_day,usage_errors_day,usage_latency,usage_latency_3h,usage_latency_by_model,usage_latency_by_model_3h,usage_latency_by_model_day,usage_latency_day,usage_models,usage_users,votes}') THEN
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO service_role', found.name);
    END IF;
    IF found.numbered = ANY ('{llm_providers,llm_models,llm_model_prices,conversations,llm_messages,comparisons,votes}') THEN
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO authenticated', found.name);
    END IF;
  END LOOP;
END $do$;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_providers TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_models TO authenticated;

GRANT SELECT, INSERT ON public.llm_model_prices TO authenticated;

GRANT SELECT, UPDATE (display_name, preferences, updated_at, version) ON public.profiles TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.conversations TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_messages TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.comparisons TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.votes TO authenticated;

GRANT SELECT ON public.model_compatibility_hints TO authenticated;

GRANT SELECT ON public.hint_events TO authenticated;

GRANT SELECT ON public.llm_usage_log TO authenticated;

GRANT SELECT ON public.latency_edges TO authenticated;

GRANT SELECT ON public.usage_models TO authenticated;

GRANT SELECT ON public.usage_users TO authenticated;

GRANT SELECT ON public.usage_delta TO authenticated;

GRANT SELECT ON public.rollup_state TO authenticated;

GRANT SELECT ON public.usage_by_source TO authenticated;

GRANT SELECT ON public.usage_by_source_3h TO authenticated;

GRANT SELECT ON public.usage_by_source_day TO authenticated;

GRANT SELECT ON public.usage_by_key TO authenticated;

GRANT SELECT ON public.usage_by_key_day TO authenticated;

GRANT SELECT ON public.usage_by_model TO authenticated;

GRANT SELECT ON public.usage_by_model_3h TO authenticated;

GRANT SELECT ON public.usage_by_model_day TO authenticated;

GRANT SELECT ON public.usage_by_user TO authenticated;

GRANT SELECT ON public.usage_by_user_day TO authenticated;

GRANT SELECT ON public.usage_by_model_source_day TO authenticated;

GRANT SELECT ON public.usage_latency TO authenticated;

GRANT SELECT ON public.usage_latency_3h TO authenticated;

GRANT SELECT ON public.usage_latency_day TO authenticated;

GRANT SELECT ON public.usage_latency_by_model TO authenticated;

GRANT SELECT ON public.usage_latency_by_model_3h TO authenticated;

GRANT SELECT ON public.usage_latency_by_model_day TO authenticated;

GRANT SELECT ON public.usage_errors TO authenticated;

GRANT SELECT ON public.usage_errors_3h TO authenticated;

GRANT SELECT ON public.usage_errors_day TO authenticated;

GRANT SELECT ON public.usage_errors_by_model TO authenticated;

GRANT SELECT ON public.usage_errors_by_model_3h TO authenticated;

GRANT SELECT ON public.usage_errors_by_model_day TO authenticated;

GRANT SELECT ON public.audit_log TO authenticated;

GRANT SELECT ON public.sync_runs TO authenticated;

GRANT SELECT ON public.sync_items TO authenticated;

GRANT SELECT ON public.instances TO authenticated;

GRANT SELECT ON public.audit_log TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.comparisons TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.conversations TO service_role;

GRANT SELECT, INSERT ON public.hint_events TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.instances TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.latency_edges TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_messages TO service_role;

GRANT SELECT, INSERT ON public.llm_model_prices TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_models TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_providers TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.llm_usage_log TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.model_compatibility_hints TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.profiles TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.rollup_state TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.sync_items TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.sync_runs TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_key TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_key_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_model TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_model_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_model_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_model_source_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_source TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_source_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_source_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_user TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_by_user_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_delta TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors_by_model TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors_by_model_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors_by_model_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_errors_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency_by_model TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency_by_model_3h TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency_by_model_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_latency_day TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_models TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.usage_users TO service_role;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.votes TO service_role;

GRANT SELECT ON public.usage_by_source_now, public.usage_by_source_3h_now, public.usage_by_source_day_now, public.usage_by_key_now, public.usage_by_key_day_now, public.usage_by_model_now, public.usage_by_model_3h_now, public.usage_by_model_day_now, public.usage_by_user_now, public.usage_by_user_day_now, public.usage_by_model_source_day_now, public.usage_latency_now, public.usage_latency_3h_now, public.usage_latency_day_now, public.usage_latency_by_model_now, public.usage_latency_by_model_3h_now, public.usage_latency_by_model_day_now, public.usage_errors_now, public.usage_errors_3h_now, public.usage_errors_day_now, public.usage_errors_by_model_now, public.usage_errors_by_model_3h_now, public.usage_errors_by_model_day_now TO authenticated, service_role;

ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.comparisons ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.hint_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.instances ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.latency_edges ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.llm_messages ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.llm_model_prices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.llm_models ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.llm_providers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.llm_usage_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.model_compatibility_hints ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rollup_state ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sync_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sync_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_key_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_model ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_model_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_model_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_model_source_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_source ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_source_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_source_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_user ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_by_user_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_delta ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors_by_model ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors_by_model_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors_by_model_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_errors_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency_by_model ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency_by_model_3h ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency_by_model_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_latency_day ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_models ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_users ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.votes ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.api_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.credentials ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.encryption_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.identities ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.sign_in_failures ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.sign_in_links ENABLE ROW LEVEL SECURITY;

ALTER TABLE private.alembic_version ENABLE ROW LEVEL SECURITY;

DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, 'modeldeck_') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$;

CREATE POLICY modeldeck_select ON public.llm_providers FOR SELECT TO authenticated USING (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.person()) IS NOT NULL) OR (SELECT private.has_role('admin')));

CREATE POLICY modeldeck_insert ON public.llm_providers FOR INSERT TO authenticated WITH CHECK (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin'))));

CREATE POLICY modeldeck_update ON public.llm_providers FOR UPDATE TO authenticated USING (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin')))) WITH CHECK (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin'))));

CREATE POLICY modeldeck_delete ON public.llm_providers FOR DELETE TO authenticated USING (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin'))));

CREATE POLICY modeldeck_select ON public.llm_models FOR SELECT TO authenticated USING (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.person()) IS NOT NULL) OR (SELECT private.has_role('admin')));

CREATE POLICY modeldeck_insert ON public.llm_models FOR INSERT TO authenticated WITH CHECK ((owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin')))) AND EXISTS (SELECT FROM public.llm_providers AS p WHERE p.id = provider_id));

CREATE POLICY modeldeck_update ON public.llm_models FOR UPDATE TO authenticated USING ((owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin')))) AND EXISTS (SELECT FROM public.llm_providers AS p WHERE p.id = provider_id)) WITH CHECK ((owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin')))) AND EXISTS (SELECT FROM public.llm_providers AS p WHERE p.id = provider_id));

CREATE POLICY modeldeck_delete ON public.llm_models FOR DELETE TO authenticated USING (owner_id = (SELECT private.person()) OR (owner_id IS NULL AND (SELECT private.has_role('admin'))));

CREATE POLICY modeldeck_select ON public.llm_model_prices FOR SELECT TO authenticated USING (EXISTS (SELECT FROM public.llm_models AS m WHERE m.id = model_id));

CREATE POLICY modeldeck_insert ON public.llm_model_prices FOR INSERT TO authenticated WITH CHECK (EXISTS (SELECT FROM public.llm_models AS m WHERE m.id = model_id AND (m.owner_id = (SELECT private.person()) OR (m.owner_id IS NULL AND (SELECT private.has_role('admin'))))));

CREATE POLICY modeldeck_select ON public.profiles FOR SELECT TO authenticated USING (user_id = (SELECT private.person()) OR (SELECT private.has_role('admin')));

CREATE POLICY modeldeck_update ON public.profiles FOR UPDATE TO authenticated USING (user_id = (SELECT private.person())) WITH CHECK (user_id = (SELECT private.person()));

CREATE POLICY modeldeck_select ON public.conversations FOR SELECT TO authenticated USING (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_insert ON public.conversations FOR INSERT TO authenticated WITH CHECK (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_update ON public.conversations FOR UPDATE TO authenticated USING (owner_id = (SELECT private.person())) WITH CHECK (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_delete ON public.conversations FOR DELETE TO authenticated USING (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_select ON public.llm_messages FOR SELECT TO authenticated USING (EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_insert ON public.llm_messages FOR INSERT TO authenticated WITH CHECK (EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_update ON public.llm_messages FOR UPDATE TO authenticated USING (EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = (SELECT private.person()))) WITH CHECK (EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_delete ON public.llm_messages FOR DELETE TO authenticated USING (EXISTS (SELECT FROM public.conversations AS c WHERE c.id = conversation_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_select ON public.comparisons FOR SELECT TO authenticated USING (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_insert ON public.comparisons FOR INSERT TO authenticated WITH CHECK (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_update ON public.comparisons FOR UPDATE TO authenticated USING (owner_id = (SELECT private.person())) WITH CHECK (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_delete ON public.comparisons FOR DELETE TO authenticated USING (owner_id = (SELECT private.person()));

CREATE POLICY modeldeck_select ON public.votes FOR SELECT TO authenticated USING (voter_id = (SELECT private.person()) AND EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_insert ON public.votes FOR INSERT TO authenticated WITH CHECK (voter_id = (SELECT private.person()) AND EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_update ON public.votes FOR UPDATE TO authenticated USING (voter_id = (SELECT private.person()) AND EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = (SELECT private.person()))) WITH CHECK (voter_id = (SELECT private.person()) AND EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_delete ON public.votes FOR DELETE TO authenticated USING (voter_id = (SELECT private.person()) AND EXISTS (SELECT FROM public.comparisons AS c WHERE c.id = comparison_id AND c.owner_id = (SELECT private.person())));

CREATE POLICY modeldeck_select ON public.model_compatibility_hints FOR SELECT TO authenticated USING ((SELECT private.person()) IS NOT NULL);

CREATE POLICY modeldeck_select ON public.hint_events FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.llm_usage_log FOR SELECT TO authenticated USING (user_id = (SELECT private.person()) OR (SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.latency_edges FOR SELECT TO authenticated USING ((SELECT private.person()) IS NOT NULL);

CREATE POLICY modeldeck_select ON public.usage_models FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_users FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_delta FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.rollup_state FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_source FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_source_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_source_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_key FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_key_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_model FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_model_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_model_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_user FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_user_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_by_model_source_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency_by_model FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency_by_model_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_latency_by_model_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors_by_model FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors_by_model_3h FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.usage_errors_by_model_day FOR SELECT TO authenticated USING ((SELECT private.has_role('analyst', 'admin')));

CREATE POLICY modeldeck_select ON public.audit_log FOR SELECT TO authenticated USING ((SELECT private.has_role('admin')));

CREATE POLICY modeldeck_select ON public.sync_runs FOR SELECT TO authenticated USING ((SELECT private.has_role('admin')));

CREATE POLICY modeldeck_select ON public.sync_items FOR SELECT TO authenticated USING ((SELECT private.has_role('admin')));

CREATE POLICY modeldeck_select ON public.instances FOR SELECT TO authenticated USING ((SELECT private.has_role('admin')));

CREATE OR REPLACE TRIGGER guard_profile BEFORE INSERT OR UPDATE ON public.profiles FOR EACH ROW EXECUTE FUNCTION private.guard_profile();

CREATE OR REPLACE TRIGGER guard_audit_log BEFORE INSERT ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION private.guard_server_only();

CREATE OR REPLACE TRIGGER modeldeck_add_profile AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION private.add_profile();

CREATE OR REPLACE TRIGGER modeldeck_follow_user AFTER DELETE OR UPDATE OF email ON auth.users FOR EACH ROW EXECUTE FUNCTION private.follow_user();

CREATE OR REPLACE FUNCTION public.read_rows(query jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = '' AS $function$
DECLARE
  exact constant text[] := ARRAY['cache_read', 'cache_write_1h', 'cache_write_5m', 'input', 'output', 'reasoning']::text[];
  source text := query ->> 'table';
  chosen text;
  picked text;
  ordering text;
  found jsonb;
BEGIN
  IF NOT '{"comparisons": "id", "conversations": "id", "llm_messages": "id", "llm_model_prices": "id", "llm_models": "id", "llm_providers": "id", "profiles": "user_id", "votes": "id"}'::jsonb ? source THEN
    RAISE EXCEPTION 'unknown table' USING ERRCODE = 'PT400';
  END IF;
  
    IF EXISTS (SELECT FROM jsonb_array_elements(query -> 'where') AS c
      WHERE coalesce(c ->> 'op', '') <> ALL ('{eq,ne,lt,le,gt,ge,in,ilike,is_null,not_null}')) THEN
      RAISE EXCEPTION 'unknown comparison' USING ERRCODE = 'PT400';
    END IF;
    SELECT coalesce(string_agg(CASE c ->> 'op'
      WHEN 'is_null' THEN format('t.%I IS NULL', c ->> 'column')
      WHEN 'not_null' THEN format('t.%I IS NOT NULL', c ->> 'column')
      WHEN 'in' THEN coalesce((SELECT format('t.%I IN (%s)', c ->> 'column', string_agg(quote_literal(v), ', '))
        FROM jsonb_array_elements_text(c -> 'value') AS v HAVING count(*) > 0), 'false')
      WHEN 'ilike' THEN format('t.%I ILIKE %L', c ->> 'column', c ->> 'value')
      ELSE format('t.%I %s %L', c ->> 'column',
        '{"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}'::jsonb ->> (c ->> 'op'), c ->> 'value')
      END, ' AND '), 'true') INTO chosen FROM jsonb_array_elements(query -> 'where') AS c;
  IF query ? 'count' THEN
    EXECUTE format('SELECT to_jsonb(count(*)) FROM public.%I AS t WHERE %s', source, chosen) INTO found;
    RETURN found;
  END IF;
  SELECT coalesce(string_agg(format('t.%I', name), ', '), 't.*') INTO picked FROM jsonb_array_elements_text(query -> 'columns') AS name;
  SELECT 'ORDER BY ' || string_agg(format('t.%I %s NULLS LAST', ltrim(name, '-'), CASE WHEN name LIKE '-%' THEN 'DESC' ELSE 'ASC' END), ', '
    ORDER BY place) INTO ordering FROM jsonb_array_elements_text(query -> 'order_by') WITH ORDINALITY AS o(name, place);
  EXECUTE format('SELECT jsonb_agg(to_jsonb(r)) FROM (SELECT %s FROM public.%I AS t WHERE %s %s LIMIT %L OFFSET %L) AS r',
    picked, source, chosen, coalesce(ordering, ''), query ->> 'limit', coalesce(query ->> 'offset', '0')) INTO found;
  IF source = ANY (ARRAY['llm_model_prices']::text[]) THEN
    found := (SELECT jsonb_agg(p.r || coalesce((SELECT jsonb_object_agg(e.k, e.v #>> '{}') FROM jsonb_each(p.r) AS e(k, v)
        WHERE e.k = ANY (exact) AND jsonb_typeof(e.v) = 'number'), '{}') ORDER BY p.place) FROM jsonb_array_elements(found) WITH ORDINALITY AS p(r, place));
  END IF;
  RETURN coalesce(found, '[]');
END
$function$;

CREATE OR REPLACE FUNCTION public.apply_changes(changes jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY INVOKER SET search_path = '' AS $function$
DECLARE
  keys constant jsonb := '{"comparisons": "id", "conversations": "id", "llm_messages": "id", "llm_model_prices": "id", "llm_models": "id", "llm_providers": "id", "profiles": "user_id", "votes": "id"}'::jsonb;
  exact constant text[] := ARRAY['cache_read', 'cache_write_1h', 'cache_write_5m', 'input', 'output', 'reasoning']::text[];
  change jsonb;
  given jsonb;
  stored jsonb;
  rows jsonb;
  done jsonb := '[]'::jsonb;
  source text;
  key text;
  names text;
  settings text;
  chosen text;
  unchanged text;
  counted boolean;
  others boolean;
  matched text[];
  refused boolean;
BEGIN
  IF EXISTS (SELECT FROM jsonb_array_elements(changes) AS c WHERE c ->> 'table' = ANY (ARRAY['llm_model_prices', 'llm_models', 'llm_providers', 'profiles']::text[])) THEN
    PERFORM pg_advisory_xact_lock(7310945);
  END IF;
  FOR change IN SELECT c FROM jsonb_array_elements(changes) AS c LOOP
    source := change ->> 'table';
    key := keys ->> source;
    IF key IS NULL THEN
      RAISE EXCEPTION 'unknown table' USING ERRCODE = 'PT400';
    END IF;
    counted := source = ANY (ARRAY['conversations', 'llm_models', 'llm_providers', 'profiles']::text[]);
    rows := '[]';
    IF change ->> 'op' IN ('insert', 'upsert') THEN
      FOR given IN SELECT r FROM jsonb_array_elements(change -> 'rows') AS r LOOP
        IF change ? 'made' THEN
          -- Columns that take the id of a row which an earlier change has just stored, each as [change, row].
          SELECT given || coalesce(jsonb_object_agg(m.key, done #> ARRAY[m.value ->> 0, m.value ->> 1, 'id']), '{}')
            INTO given FROM jsonb_each(change -> 'made' -> jsonb_array_length(rows)) AS m;
        END IF;
        SELECT string_agg(format('%I', n), ', ') INTO names FROM jsonb_object_keys(given) AS n;
        settings := '';
        IF change ->> 'op' = 'upsert' THEN
          SELECT concat_ws(', ', string_agg(format('%1$I = excluded.%1$I', n), ', '), CASE WHEN counted THEN 'version = t.version + 1' END)
            INTO settings FROM jsonb_object_keys(given) AS n WHERE n NOT IN ('created_at', 'version') AND NOT change -> 'on' ? n;
          -- What one row clashes on: its own entry of targets, the columns of a unique index and what that is limited to.
          SELECT format(' ON CONFLICT (%s)%s DO UPDATE SET %s', string_agg(format('%I', c), ', '),
              format(CASE g -> 'null' WHEN 'true' THEN ' WHERE %I IS NULL' WHEN 'false' THEN ' WHERE %I IS NOT NULL' ELSE '' END, g ->> 'limited'),
              coalesce(nullif(settings, ''), format('%1$I = excluded.%1$I', min(c))))
            INTO settings FROM (SELECT change -> 'targets' -> jsonb_array_length(rows) AS g) AS target,
              jsonb_array_elements_text(g -> 'columns') AS c GROUP BY g;
        END IF;
        EXECUTE format('INSERT INTO public.%1$I AS t (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::public.%1$I, $1)%3$s RETURNING to_jsonb(t.*)',
          source, names, settings) INTO STRICT stored USING given;
        rows := rows || jsonb_build_array(stored);
      END LOOP;
    ELSIF change ->> 'op' IN ('update', 'delete') AND jsonb_array_length(change -> 'where') > 0 THEN
      
    IF EXISTS (SELECT FROM jsonb_array_elements(change -> 'where') AS c
      WHERE coalesce(c ->> 'op', '') <> ALL ('{eq,ne,lt,le,gt,ge,in,ilike,is_null,not_null}')) THEN
      RAISE EXCEPTION 'unknown comparison' USING ERRCODE = 'PT400';
    END IF;
    SELECT coalesce(string_agg(CASE c ->> 'op'
      WHEN 'is_null' THEN format('t.%I IS NULL', c ->> 'column')
      WHEN 'not_null' THEN format('t.%I IS NOT NULL', c ->> 'column')
      WHEN 'in' THEN coalesce((SELECT format('t.%I IN (%s)', c ->> 'column', string_agg(quote_literal(v), ', '))
        FROM jsonb_array_elements_text(c -> 'value') AS v HAVING count(*) > 0), 'false')
      WHEN 'ilike' THEN format('t.%I ILIKE %L', c ->> 'column', c ->> 'value')
      ELSE format('t.%I %s %L', c ->> 'column',
        '{"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}'::jsonb ->> (c ->> 'op'), c ->> 'value')
      END, ' AND '), 'true') INTO chosen FROM jsonb_array_elements(change -> 'where') AS c;
      others := false;
      unchanged := '';
      EXECUTE format('SELECT coalesce(array_agg(t.%I::text), ''{}'') FROM public.%I AS t WHERE %s', key, source, chosen) INTO matched;
      IF change ->> 'version' IS NOT NULL THEN
        EXECUTE format('SELECT coalesce(bool_or(t.version <> %L), true) FROM public.%I AS t WHERE %s', change ->> 'version', source, chosen)
          INTO others;
        IF others THEN
          RAISE EXCEPTION 'stale' USING ERRCODE = 'PT409';
        END IF;
        unchanged := format(' AND t.version = %L', change ->> 'version');
      END IF;
      IF change ->> 'op' = 'update' THEN
        SELECT concat_ws(', ', string_agg(format('%1$I = given.%1$I', n), ', '), CASE WHEN counted THEN 'version = t.version + 1' END)
          INTO settings FROM jsonb_object_keys(change -> 'values') AS n WHERE n <> 'version';
        EXECUTE format('WITH given AS (SELECT * FROM jsonb_populate_record(NULL::public.%1$I, $1)), changed AS (UPDATE public.%1$I AS t SET %2$s'
          ' FROM given WHERE (%3$s)%4$s RETURNING t.*) SELECT coalesce(jsonb_agg(to_jsonb(c.*) ORDER BY c.%5$I), ''[]'') FROM changed AS c',
          source, settings, chosen, unchanged, key) INTO rows USING change -> 'values';
      ELSE
        EXECUTE format('WITH gone AS (DELETE FROM public.%I AS t WHERE (%s)%s RETURNING t.%I) SELECT coalesce(jsonb_agg(to_jsonb(g.*)), ''[]'')'
          ' FROM gone AS g', source, chosen, unchanged, key) INTO rows;
      END IF;
      IF jsonb_array_length(rows) < cardinality(matched) THEN
        -- Seen, and still as it was, but left alone: a policy keeps the caller from changing it.
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I AS t WHERE t.%I::text = ANY ($1) AND t.%2$I::text <> ALL ($2) AND (%s)%s)',
          source, key, chosen, unchanged)
          INTO refused USING matched, ARRAY(SELECT r ->> key FROM jsonb_array_elements(rows) AS r);
        IF refused THEN
          RAISE EXCEPTION 'a policy of % forbids this', source USING ERRCODE = 'insufficient_privilege';
        ELSIF unchanged <> '' THEN
          RAISE EXCEPTION 'stale' USING ERRCODE = 'PT409';
        END IF;
      END IF;
    ELSE
      RAISE EXCEPTION 'malformed change' USING ERRCODE = 'PT400';
    END IF;
    IF source = ANY (ARRAY['llm_model_prices']::text[]) AND rows <> '[]' THEN
      rows := (SELECT jsonb_agg(p.r || coalesce((SELECT jsonb_object_agg(e.k, e.v #>> '{}') FROM jsonb_each(p.r) AS e(k, v)
        WHERE e.k = ANY (exact) AND jsonb_typeof(e.v) = 'number'), '{}') ORDER BY p.place) FROM jsonb_array_elements(rows) WITH ORDINALITY AS p(r, place));
    END IF;
    done := done || jsonb_build_array(rows);
  END LOOP;
  RETURN done;
END
$function$;

REVOKE ALL ON FUNCTION public.read_rows(jsonb) FROM public, anon;

GRANT EXECUTE ON FUNCTION public.read_rows(jsonb) TO authenticated, service_role;

REVOKE ALL ON FUNCTION public.apply_changes(jsonb) FROM public, anon;

GRANT EXECUTE ON FUNCTION public.apply_changes(jsonb) TO authenticated, service_role;

CREATE OR REPLACE FUNCTION private.canonical_json(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = '' SET extra_float_digits = 1 AS $function$
DECLARE
  literal text := value #>> '{}';
  number double precision;
  shown text;
BEGIN
  CASE jsonb_typeof(value)
  WHEN 'object' THEN
    RETURN (SELECT '{' || coalesce(string_agg(to_json(k)::text || ':' || private.canonical_json(v), ',' ORDER BY k COLLATE "C"), '') || '}'
      FROM jsonb_each(value) AS e(k, v));
  WHEN 'array' THEN
    RETURN (SELECT '[' || coalesce(string_agg(private.canonical_json(v), ',' ORDER BY place), '') || ']'
      FROM jsonb_array_elements(value) WITH ORDINALITY AS e(v, place));
  WHEN 'number' THEN
    IF position('.' IN literal) = 0 AND abs(literal::numeric) <= 9007199254740992 THEN
      RETURN literal;
    END IF;
    number := literal::double precision;
    IF position('.' IN literal) > 0 AND number = trunc(number) AND abs(number) <= 9007199254740992 THEN
      RETURN number::text::numeric::text;
    END IF;
    shown := number::text;
    IF abs(number) >= 1e15 AND abs(number) < 1e16 THEN -- Python writes out one digit more before it takes to an exponent
      shown := shown::numeric::text;
      shown := shown || CASE WHEN position('.' IN shown) = 0 THEN '.0' ELSE '' END;
    END IF;
    RETURN shown;
  ELSE
    RETURN value::text;
  END CASE;
END
$function$;

CREATE OR REPLACE FUNCTION private.audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET timezone = 'UTC' AS $function$
DECLARE
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  origin text := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-modeldeck-origin';
  before_row jsonb;
  after_row jsonb;
  entry jsonb;
  moment timestamptz := nullif(current_setting('modeldeck.audit_moment', true), '')::timestamptz;
  last record;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    before_row := to_jsonb(OLD);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    after_row := to_jsonb(NEW);
  END IF;
  entry := jsonb_build_object('subject_id', coalesce(after_row, before_row) ->> TG_ARGV[0]);
  FOR i IN 1 .. TG_NARGS - 1 LOOP -- exact decimals are kept as text
    before_row := before_row || jsonb_build_object(TG_ARGV[i], before_row ->> TG_ARGV[i]);
    after_row := after_row || jsonb_build_object(TG_ARGV[i], after_row ->> TG_ARGV[i]);
  END LOOP;
  IF TG_OP = 'UPDATE' THEN
    SELECT jsonb_object_agg(k, before_row -> k), jsonb_object_agg(k, v) INTO before_row, after_row FROM jsonb_each(after_row) AS e(k, v)
      WHERE k <> ALL (ARRAY['created_at', 'last_seen_at', 'last_synced_at', 'preferences', 'updated_at', 'version']::text[]) AND v IS DISTINCT FROM before_row -> k;
    IF after_row IS NULL THEN
      RETURN NULL;
    END IF;
  END IF;
  SELECT id, hash, at INTO last FROM public.audit_log ORDER BY id DESC LIMIT 1;
  IF moment IS NULL THEN -- the transaction's first entry; all of them carry its moment, and no neighbour of another one does
    moment := date_trunc('milliseconds', clock_timestamp());
    IF moment <= last.at AND last.at < moment + interval '1 second' THEN
      moment := last.at + interval '1 millisecond';
    END IF;
    PERFORM set_config('modeldeck.audit_moment', moment::text, true);
  END IF;
  entry := entry || jsonb_build_object(
    'id', coalesce(last.id, 0) + 1,
    'at', (extract(epoch FROM moment) * 1000)::bigint,
    'actor_id', claims ->> 'sub',
    'actor', coalesce((SELECT coalesce(display_name, email) FROM public.profiles WHERE user_id::text = claims ->> 'sub'),
      claims ->> 'email', claims ->> 'role', 'Somebody'),
    'origin', CASE WHEN origin IN ('page', 'api', 'cli', 'job') THEN origin ELSE 'rest' END,
    'action', TG_TABLE_NAME || '.' || lower(TG_OP),
    'subject', TG_TABLE_NAME,
    'before', before_row,
    'after', after_row,
    'previous_hash', coalesce(last.hash, '0000000000000000000000000000000000000000000000000000000000000000'));
  INSERT INTO public.audit_log (id, at, actor_id, actor, origin, action, subject, subject_id, before, after, previous_hash, hash)
    VALUES ((entry ->> 'id')::bigint, moment, (entry ->> 'actor_id')::uuid, entry ->> 'actor', entry ->> 'origin', entry ->> 'action',
      entry ->> 'subject', entry ->> 'subject_id', before_row, after_row, entry ->> 'previous_hash',
      encode(sha256(convert_to(private.canonical_json(entry), 'UTF8')), 'hex'));
  RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION private.canonical_json(jsonb) FROM public, anon, authenticated, service_role;

REVOKE ALL ON FUNCTION private.audit_change() FROM public, anon, authenticated, service_role;

CREATE OR REPLACE TRIGGER audit_lock BEFORE INSERT OR DELETE OR UPDATE ON public.llm_model_prices FOR EACH STATEMENT WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_log_lock();

CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON public.llm_model_prices FOR EACH ROW WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_change('id', 'cache_read', 'cache_write_1h', 'cache_write_5m', 'input', 'output', 'reasoning');

CREATE OR REPLACE TRIGGER audit_lock BEFORE INSERT OR DELETE OR UPDATE ON public.llm_models FOR EACH STATEMENT WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_log_lock();

CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON public.llm_models FOR EACH ROW WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_change('id');

CREATE OR REPLACE TRIGGER audit_lock BEFORE INSERT OR DELETE OR UPDATE ON public.llm_providers FOR EACH STATEMENT WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_log_lock();

CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON public.llm_providers FOR EACH ROW WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_change('id');

CREATE OR REPLACE TRIGGER audit_lock BEFORE INSERT OR DELETE OR UPDATE ON public.profiles FOR EACH STATEMENT WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_log_lock();

CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON public.profiles FOR EACH ROW WHEN (nullif(current_setting('request.jwt.claims', true), '') IS NOT NULL) EXECUTE FUNCTION private.audit_change('user_id');

CREATE OR REPLACE FUNCTION private.count_version() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $function$
BEGIN
  NEW.version := OLD.version + 1;
  NEW.updated_at := date_trunc('milliseconds', clock_timestamp());
  RETURN NEW;
END
$function$;

REVOKE ALL ON FUNCTION private.count_version() FROM public, anon, authenticated, service_role;

CREATE OR REPLACE TRIGGER count_version BEFORE UPDATE ON public.llm_models FOR EACH ROW WHEN (new.version = old.version) EXECUTE FUNCTION private.count_version();

CREATE OR REPLACE TRIGGER count_version BEFORE UPDATE ON public.llm_providers FOR EACH ROW WHEN (new.version = old.version) EXECUTE FUNCTION private.count_version();

INSERT INTO public.profiles (user_id, email, display_name, created_at, updated_at)
  SELECT id, lower(email), left(raw_user_meta_data ->> 'display_name', 200),
    date_trunc('milliseconds', now()), date_trunc('milliseconds', now())
  FROM auth.users WHERE NOT coalesce(is_anonymous, false) ON CONFLICT DO NOTHING;

DO $do$ DECLARE found record; BEGIN
  IF to_regrole('modeldeck_analytics') IS NULL THEN
    RETURN;
  END IF;
  REVOKE ALL ON ALL TABLES IN SCHEMA public FROM modeldeck_analytics;
  REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM modeldeck_analytics;
  REVOKE ALL ON SCHEMA public, private FROM modeldeck_analytics;
  GRANT USAGE ON SCHEMA public TO modeldeck_analytics;
  GRANT SELECT ON public.llm_usage_log, public.latency_edges, public.rollup_state, public.usage_models, public.usage_users, public.usage_delta, public.usage_by_source, public.usage_by_source_3h, public.usage_by_source_day, public.usage_by_key, public.usage_by_key_day, public.usage_by_model, public.usage_by_model_3h, public.usage_by_model_day, public.usage_by_user, public.usage_by_user_day, public.usage_by_model_source_day, public.usage_latency, public.usage_latency_3h, public.usage_latency_day, public.usage_latency_by_model, public.usage_latency_by_model_3h, public.usage_latency_by_model_day, public.usage_errors, public.usage_errors_3h, public.usage_errors_day, public.usage_errors_by_model, public.usage_errors_by_model_3h, public.usage_errors_by_model_day, public.usage_by_source_now, public.usage_by_source_3h_now, public.usage_by_source_day_now, public.usage_by_key_now, public.usage_by_key_day_now, public.usage_by_model_now, public.usage_by_model_3h_now, public.usage_by_model_day_now, public.usage_by_user_now, public.usage_by_user_day_now, public.usage_by_model_source_day_now, public.usage_latency_now, public.usage_latency_3h_now, public.usage_latency_day_now, public.usage_latency_by_model_now, public.usage_latency_by_model_3h_now, public.usage_latency_by_model_day_now, public.usage_errors_now, public.usage_errors_3h_now, public.usage_errors_day_now, public.usage_errors_by_model_now, public.usage_errors_by_model_3h_now, public.usage_errors_by_model_day_now, public.llm_providers, public.llm_models, public.llm_model_prices, public.model_compatibility_hints, public.hint_events TO modeldeck_analytics;
  FOR found IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity
      AND relname = ANY ('{llm_usage_log,latency_edges,rollup_state,usage_models,usage_users,usage_delta,usage_by_source,usage_by_source_3h,usage_by_source_day,usage_by_key,usage_by_key_day,usage_by_model,usage_by_model_3h,usage_by_model_day,usage_by_user,usage_by_user_day,usage_by_model_source_day,usage_latency,usage_latency_3h,usage_latency_day,usage_latency_by_model,usage_latency_by_model_3h,usage_latency_by_model_day,usage_errors,usage_errors_3h,usage_errors_day,usage_errors_by_model,usage_errors_by_model_3h,usage_errors_by_model_day,usage_by_source_now,usage_by_source_3h_now,usage_by_source_day_now,usage_by_key_now,usage_by_key_day_now,usage_by_model_now,usage_by_model_3h_now,usage_by_model_day_now,usage_by_user_now,usage_by_user_day_now,usage_by_model_source_day_now,usage_latency_now,usage_latency_3h_now,usage_latency_day_now,usage_latency_by_model_now,usage_latency_by_model_3h_now,usage_latency_by_model_day_now,usage_errors_now,usage_errors_3h_now,usage_errors_day_now,usage_errors_by_model_now,usage_errors_by_model_3h_now,usage_errors_by_model_day_now,llm_providers,llm_models,llm_model_prices,model_compatibility_hints,hint_events}') LOOP
    EXECUTE format('DROP POLICY IF EXISTS modeldeck_analytics ON public.%I', found.relname);
    EXECUTE format('CREATE POLICY modeldeck_analytics ON public.%I FOR SELECT TO modeldeck_analytics USING (true)', found.relname);
  END LOOP;
END $do$;

UPDATE rollup_state SET rebuild_from = NULL, rebuild_done_to = NULL WHERE NOT EXISTS (SELECT FROM llm_usage_log);

COMMIT;
