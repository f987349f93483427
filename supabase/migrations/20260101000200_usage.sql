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
