"""What Supabase's database needs for SupabaseStore beside the tables: two functions under the caller's rights, and the audit of what they do.

PostgREST alone cannot read exact decimals, take long lists of ids, change several rows in one transaction or merge on a
partial index. ``read_rows`` and ``apply_changes`` can; both run as whoever asks, so row-level security decides.
"""

from __future__ import annotations

from collections.abc import Iterable

from lib.store.audit import AUDIT_LOCK, AUDITED, FIRST_HASH, NOISE
from lib.store.checks import TABLES
from lib.store.schema import metadata
from lib.store.types import ExactDecimal

STALE, MALFORMED = "PT409", "PT400"
"""Codes that PostgREST answers with this HTTP status."""
ORIGIN_HEADER = "x-modeldeck-origin"
"""The request header that says where a change comes from, for the audit log; "rest" where there is none."""
CLAIMS = "nullif(current_setting('request.jwt.claims', true), '')"
"""Set by PostgREST for each request, and by nothing else: what the server itself changes, it audits itself."""
_EXACT_INTEGER = 2**53
_VERSIONED_BY_HAND = ("llm_models", "llm_providers")
"""Tables that people also change in Supabase's own table editor: what that leaves of a version is made good."""


def statements() -> tuple[str, ...]:
    """Return every statement in order; each may be run again."""
    made = [_function("public.read_rows(query jsonb)", "jsonb", _read_rows(), "STABLE SECURITY INVOKER SET search_path = ''")]
    made.append(_function("public.apply_changes(changes jsonb)", "jsonb", _apply_changes(), "SECURITY INVOKER SET search_path = ''"))
    for name in ("read_rows", "apply_changes"):
        made.append(f"REVOKE ALL ON FUNCTION public.{name}(jsonb) FROM public, anon")
        made.append(f"GRANT EXECUTE ON FUNCTION public.{name}(jsonb) TO authenticated, service_role")
    canonical = "IMMUTABLE STRICT SET search_path = '' SET extra_float_digits = 1"
    made.append(_function("private.canonical_json(value jsonb)", "text", _CANONICAL_JSON, canonical))
    audit = "SECURITY DEFINER SET search_path = '' SET timezone = 'UTC'"
    made.append(_function("private.audit_change()", "trigger", _AUDIT_CHANGE, audit))
    for name in ("canonical_json(jsonb)", "audit_change()"):
        made.append(f"REVOKE ALL ON FUNCTION private.{name} FROM public, anon, authenticated, service_role")
    for table in sorted(AUDITED):
        arguments = ", ".join(f"'{name}'" for name in (_key(table), *_exact([table])))
        made += [
            # Names before trg_: of several triggers the first by name fires first, and this lock is taken before all others.
            f"CREATE OR REPLACE TRIGGER audit_lock BEFORE INSERT OR DELETE OR UPDATE ON public.{table} FOR EACH STATEMENT"
            f" WHEN ({CLAIMS} IS NOT NULL) EXECUTE FUNCTION private.audit_log_lock()",
            f"CREATE OR REPLACE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON public.{table} FOR EACH ROW"
            f" WHEN ({CLAIMS} IS NOT NULL) EXECUTE FUNCTION private.audit_change({arguments})",
        ]
    made.append(_function("private.count_version()", "trigger", _COUNT_VERSION, "SET search_path = ''"))
    made.append("REVOKE ALL ON FUNCTION private.count_version() FROM public, anon, authenticated, service_role")
    made += [
        f"CREATE OR REPLACE TRIGGER count_version BEFORE UPDATE ON public.{table} FOR EACH ROW"
        " WHEN (new.version = old.version) EXECUTE FUNCTION private.count_version()"
        for table in _VERSIONED_BY_HAND
    ]
    return tuple(made)


def _function(signature: str, returns: str, body: str, options: str) -> str:
    return f"CREATE OR REPLACE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql {options} AS $function$\n{body.strip()}\n$function$"


def _key(table: str) -> str:
    (column,) = metadata.tables[table].primary_key.columns
    return column.name


def _exact(tables: Iterable[str]) -> list[str]:
    """Return the columns that JSON numbers would round on their way to Python."""
    return sorted({c.name for name in tables for c in metadata.tables[name].columns if isinstance(c.type, ExactDecimal)})


def _texts(names: Iterable[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]::text[]"


def _keys() -> str:
    return "{" + ", ".join(f'"{name}": "{_key(name)}"' for name in sorted(TABLES)) + "}"


def _where(given: str) -> str:
    """Return statements that put the SQL of some conditions, [{column, op, value}], into the variable ``chosen``."""
    return f"""
    IF EXISTS (SELECT FROM jsonb_array_elements({given}) AS c
      WHERE coalesce(c ->> 'op', '') <> ALL ('{{eq,ne,lt,le,gt,ge,in,ilike,is_null,not_null}}')) THEN
      RAISE EXCEPTION 'unknown comparison' USING ERRCODE = '{MALFORMED}';
    END IF;
    SELECT coalesce(string_agg(CASE c ->> 'op'
      WHEN 'is_null' THEN format('t.%I IS NULL', c ->> 'column')
      WHEN 'not_null' THEN format('t.%I IS NOT NULL', c ->> 'column')
      WHEN 'in' THEN coalesce((SELECT format('t.%I IN (%s)', c ->> 'column', string_agg(quote_literal(v), ', '))
        FROM jsonb_array_elements_text(c -> 'value') AS v HAVING count(*) > 0), 'false')
      WHEN 'ilike' THEN format('t.%I ILIKE %L', c ->> 'column', c ->> 'value')
      ELSE format('t.%I %s %L', c ->> 'column',
        '{{"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}}'::jsonb ->> (c ->> 'op'), c ->> 'value')
      END, ' AND '), 'true') INTO chosen FROM jsonb_array_elements({given}) AS c;"""


_PRECISE = """(SELECT jsonb_agg(p.r || coalesce((SELECT jsonb_object_agg(e.k, e.v #>> '{}') FROM jsonb_each(p.r) AS e(k, v)
        WHERE e.k = ANY (exact) AND jsonb_typeof(e.v) = 'number'), '{}') ORDER BY p.place) FROM jsonb_array_elements(%s) WITH ORDINALITY AS p(r, place))"""


def _read_rows() -> str:
    return f"""
DECLARE
  exact constant text[] := {_texts(_exact(TABLES))};
  source text := query ->> 'table';
  chosen text;
  picked text;
  ordering text;
  found jsonb;
BEGIN
  IF NOT '{_keys()}'::jsonb ? source THEN
    RAISE EXCEPTION 'unknown table' USING ERRCODE = '{MALFORMED}';
  END IF;
  {_where("query -> 'where'")}
  IF query ? 'count' THEN
    EXECUTE format('SELECT to_jsonb(count(*)) FROM public.%I AS t WHERE %s', source, chosen) INTO found;
    RETURN found;
  END IF;
  SELECT coalesce(string_agg(format('t.%I', name), ', '), 't.*') INTO picked FROM jsonb_array_elements_text(query -> 'columns') AS name;
  SELECT 'ORDER BY ' || string_agg(format('t.%I %s NULLS LAST', ltrim(name, '-'), CASE WHEN name LIKE '-%' THEN 'DESC' ELSE 'ASC' END), ', '
    ORDER BY place) INTO ordering FROM jsonb_array_elements_text(query -> 'order_by') WITH ORDINALITY AS o(name, place);
  EXECUTE format('SELECT jsonb_agg(to_jsonb(r)) FROM (SELECT %s FROM public.%I AS t WHERE %s %s LIMIT %L OFFSET %L) AS r',
    picked, source, chosen, coalesce(ordering, ''), query ->> 'limit', coalesce(query ->> 'offset', '0')) INTO found;
  IF source = ANY ({_texts(t for t in sorted(TABLES) if _exact([t]))}) THEN
    found := {_PRECISE % "found"};
  END IF;
  RETURN coalesce(found, '[]');
END"""


def _apply_changes() -> str:
    return f"""
DECLARE
  keys constant jsonb := '{_keys()}'::jsonb;
  exact constant text[] := {_texts(_exact(TABLES))};
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
  IF EXISTS (SELECT FROM jsonb_array_elements(changes) AS c WHERE c ->> 'table' = ANY ({_texts(sorted(AUDITED))})) THEN
    PERFORM pg_advisory_xact_lock({AUDIT_LOCK});
  END IF;
  FOR change IN SELECT c FROM jsonb_array_elements(changes) AS c LOOP
    source := change ->> 'table';
    key := keys ->> source;
    IF key IS NULL THEN
      RAISE EXCEPTION 'unknown table' USING ERRCODE = '{MALFORMED}';
    END IF;
    counted := source = ANY ({_texts(name for name in sorted(TABLES) if "version" in metadata.tables[name].c)});
    rows := '[]';
    IF change ->> 'op' IN ('insert', 'upsert') THEN
      FOR given IN SELECT r FROM jsonb_array_elements(change -> 'rows') AS r LOOP
        IF change ? 'made' THEN
          -- Columns that take the id of a row which an earlier change has just stored, each as [change, row].
          SELECT given || coalesce(jsonb_object_agg(m.key, done #> ARRAY[m.value ->> 0, m.value ->> 1, 'id']), '{{}}')
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
      {_where("change -> 'where'")}
      others := false;
      unchanged := '';
      EXECUTE format('SELECT coalesce(array_agg(t.%I::text), ''{{}}'') FROM public.%I AS t WHERE %s', key, source, chosen) INTO matched;
      IF change ->> 'version' IS NOT NULL THEN
        EXECUTE format('SELECT coalesce(bool_or(t.version <> %L), true) FROM public.%I AS t WHERE %s', change ->> 'version', source, chosen)
          INTO others;
        IF others THEN
          RAISE EXCEPTION 'stale' USING ERRCODE = '{STALE}';
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
          RAISE EXCEPTION 'stale' USING ERRCODE = '{STALE}';
        END IF;
      END IF;
    ELSE
      RAISE EXCEPTION 'malformed change' USING ERRCODE = '{MALFORMED}';
    END IF;
    IF source = ANY ({_texts(t for t in sorted(TABLES) if _exact([t]))}) AND rows <> '[]' THEN
      rows := {_PRECISE % "rows"};
    END IF;
    done := done || jsonb_build_array(rows);
  END LOOP;
  RETURN done;
END"""


_CANONICAL_JSON = f"""
DECLARE
  literal text := value #>> '{{}}';
  number double precision;
  shown text;
BEGIN
  CASE jsonb_typeof(value)
  WHEN 'object' THEN
    RETURN (SELECT '{{' || coalesce(string_agg(to_json(k)::text || ':' || private.canonical_json(v), ',' ORDER BY k COLLATE "C"), '') || '}}'
      FROM jsonb_each(value) AS e(k, v));
  WHEN 'array' THEN
    RETURN (SELECT '[' || coalesce(string_agg(private.canonical_json(v), ',' ORDER BY place), '') || ']'
      FROM jsonb_array_elements(value) WITH ORDINALITY AS e(v, place));
  WHEN 'number' THEN
    IF position('.' IN literal) = 0 AND abs(literal::numeric) <= {_EXACT_INTEGER} THEN
      RETURN literal;
    END IF;
    number := literal::double precision;
    IF position('.' IN literal) > 0 AND number = trunc(number) AND abs(number) <= {_EXACT_INTEGER} THEN
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
END"""

_COUNT_VERSION = """
BEGIN
  NEW.version := OLD.version + 1;
  NEW.updated_at := date_trunc('milliseconds', clock_timestamp());
  RETURN NEW;
END"""

_AUDIT_CHANGE = f"""
DECLARE
  claims jsonb := {CLAIMS}::jsonb;
  origin text := nullif(current_setting('request.headers', true), '')::jsonb ->> '{ORIGIN_HEADER}';
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
      WHERE k <> ALL ({_texts(sorted(NOISE))}) AND v IS DISTINCT FROM before_row -> k;
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
    'previous_hash', coalesce(last.hash, '{FIRST_HASH}'));
  INSERT INTO public.audit_log (id, at, actor_id, actor, origin, action, subject, subject_id, before, after, previous_hash, hash)
    VALUES ((entry ->> 'id')::bigint, moment, (entry ->> 'actor_id')::uuid, entry ->> 'actor', entry ->> 'origin', entry ->> 'action',
      entry ->> 'subject', entry ->> 'subject_id', before_row, after_row, entry ->> 'previous_hash',
      encode(sha256(convert_to(private.canonical_json(entry), 'UTF8')), 'hex'));
  RETURN NULL;
END"""
