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
