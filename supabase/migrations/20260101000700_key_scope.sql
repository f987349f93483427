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
