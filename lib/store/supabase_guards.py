"""What a Supabase database needs beside tables and triggers: row-level security, grants, and profiles for its users.

The statements may be run again and again, and end in the same state whatever was granted before. The owner of the
tables, as whom the server connects, is bound by none of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store import supabase_checks, supabase_sql
from lib.store.supabase_policies import ACCESS, EXPOSED, PRIVATE_TABLES, SERVICE_VERBS
from lib.store.triggers_postgres import views

API_ROLES = "anon, authenticated, service_role"
_POLICY = "modeldeck_"
"""Every policy's name begins so; one with this prefix that is not ours any more is removed."""


def present(connection: Connection) -> bool:
    """Whether this database belongs to a Supabase project."""
    found = connection.exec_driver_sql("SELECT to_regclass('auth.users') IS NOT NULL AND to_regrole('authenticated') IS NOT NULL")
    return bool(found.scalar())


def install(connection: Connection) -> None:
    """Put everything in place, in the caller's transaction."""
    run(connection, statements())


def remove(connection: Connection) -> None:
    """Take away what would keep a migration from changing a table."""
    run(connection, (drop_policies(),))


def problems(connection: Connection) -> list[tuple[str, str, str]]:
    """Return (kind, name, state) for each table that stands open, and each policy, function or trigger that is not as it should be."""
    found = []
    for schema, name, secured, granted in connection.execute(_TABLES, {"exposed": list(EXPOSED), "private": list(PRIVATE_TABLES)}):
        table = name if schema == "public" else f"{schema}.{name}"
        if not secured:
            found.append(("table", table, "without row-level security"))
        if granted:
            found.append(("table", table, f"open to {granted}"))
    there = {(table, policy) for table, policy in connection.execute(_POLICIES)}
    for name, access in ACCESS.items():
        found.extend(("policy", f"{_POLICY}{verb} of {name}", "missing") for verb in access.verbs if (name, _POLICY + verb) not in there)
    return found + supabase_checks.problems(connection, statements())


_TABLES = sa.text("""
    SELECT n.nspname, c.relname, c.relrowsecurity, (
        SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'everybody' ELSE a.grantee::regrole::text END, ', ')
        FROM aclexplode(c.relacl) AS a WHERE a.grantee IN (0, 'anon'::regrole)
          OR n.nspname = 'private' AND a.grantee IN ('authenticated'::regrole, 'service_role'::regrole))
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r'
      AND (n.nspname = 'public' AND c.relname = ANY (:exposed) OR n.nspname = 'private' AND c.relname = ANY (:private))
    ORDER BY 1, 2""")
_POLICIES = sa.text("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'")


def run(connection: Connection, texts: tuple[str, ...]) -> None:
    driver = connection.connection.cursor()  # past SQLAlchemy, to which a % in them would mean a parameter
    for text in texts:
        driver.execute(text)
    driver.close()


def statements() -> tuple[str, ...]:
    """Return every statement in order."""
    return (
        *(_function(*function) for function in _FUNCTIONS),
        f"REVOKE ALL ON SCHEMA private FROM public, {API_ROLES}",
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA private FROM public, {API_ROLES}",
        "GRANT EXECUTE ON FUNCTION private.person(), private.has_role(text[]) TO authenticated",
        *_grants(),
        *(f"ALTER TABLE public.{name} ENABLE ROW LEVEL SECURITY" for name in EXPOSED),
        *(f"ALTER TABLE private.{name} ENABLE ROW LEVEL SECURITY" for name in PRIVATE_TABLES),
        drop_policies(),
        *_policies(),
        *_TRIGGERS,
        *supabase_sql.statements(),
        _BACKFILL,
    )


def drop_policies() -> str:
    """Return SQL that drops every policy of ours."""
    return f"""DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies WHERE starts_with(policyname, '{_POLICY}') LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', found.policyname, found.schemaname, found.tablename);
  END LOOP;
END $do$"""


def _grants() -> list[str]:
    made = [f"REVOKE ALL ON public.{', public.'.join((*EXPOSED, *views()))} FROM public, {API_ROLES}"]
    made.append(f"REVOKE ALL ON private.{', private.'.join(PRIVATE_TABLES)} FROM public, {API_ROLES}")
    made.append(_SEQUENCES)
    for name, access in ACCESS.items():
        verbs = [verb.upper() + (f" ({', '.join(access.columns[verb])})" if verb in access.columns else "") for verb in access.verbs]
        made.append(f"GRANT {', '.join(verbs)} ON public.{name} TO authenticated")
    made.extend(f"GRANT {verbs} ON public.{name} TO service_role" for name, verbs in SERVICE_VERBS.items())
    made.append(f"GRANT SELECT ON public.{', public.'.join(views())} TO authenticated, service_role")
    return made


def _policies() -> list[str]:
    made = []
    for name, access in ACCESS.items():
        for verb, condition in access.verbs.items():
            using = "" if verb == "insert" else f" USING ({condition})"
            check = f" WITH CHECK ({condition})" if verb in ("insert", "update") else ""
            made.append(f"CREATE POLICY {_POLICY}{verb} ON public.{name} FOR {verb.upper()} TO authenticated{using}{check}")
    return made


def _function(signature: str, options: str, body: str) -> str:
    return f"CREATE OR REPLACE FUNCTION private.{signature} {options} SET search_path = '' AS $function$\n{body}\n$function$"


# Of the numbers of tables, people draw those of the tables they add rows to; the server draws the rest.
_NUMBERED = [name for name, access in ACCESS.items() if "insert" in access.verbs]
_SEQUENCES = f"""DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT s.oid::regclass AS name, t.relname AS numbered FROM pg_class AS s
      JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype = 'a' JOIN pg_class AS t ON t.oid = d.refobjid
      WHERE s.relkind = 'S' AND (t.relnamespace = 'public'::regnamespace AND t.relname = ANY ('{{{",".join(EXPOSED)}}}')
        OR t.relnamespace = 'private'::regnamespace AND t.relname = ANY ('{{{",".join(PRIVATE_TABLES)}}}')) LOOP
    EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM public, {API_ROLES}', found.name);
    IF found.numbered = ANY ('{{{",".join(EXPOSED)}}}') THEN
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO service_role', found.name);
    END IF;
    IF found.numbered = ANY ('{{{",".join(_NUMBERED)}}}') THEN
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO authenticated', found.name);
    END IF;
  END LOOP;
END $do$"""

_SERVER = "pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')"
"""SQL in a trigger: the statement comes from the owner of the table, that is, from the server."""
_KEPT = ("user_id", "email", "role", "has_subscription", "is_trial", "expiry_date", "is_active", "created_at")
"""What a person may not change of a profile, not even if somebody grants them the whole table."""

_FUNCTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "person()",
        "RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER",
        "  SELECT user_id FROM public.profiles WHERE user_id = (SELECT auth.uid()) AND is_active",
    ),
    (
        "has_role(VARIADIC roles text[])",
        "RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER",
        "  SELECT EXISTS (SELECT FROM public.profiles WHERE user_id = (SELECT auth.uid()) AND is_active AND role = ANY (roles))",
    ),
    (
        "guard_profile()",
        "RETURNS trigger LANGUAGE plpgsql",
        f"""BEGIN
  IF {_SERVER} OR current_user = 'service_role' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'INSERT' OR ({", ".join(f"NEW.{name}" for name in _KEPT)}) IS DISTINCT FROM ({", ".join(f"OLD.{name}" for name in _KEPT)}) THEN
    RAISE EXCEPTION 'only an admin changes roles, subscriptions and addresses' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END""",
    ),
    (
        "guard_server_only()",
        "RETURNS trigger LANGUAGE plpgsql",
        f"""BEGIN
  IF NOT {_SERVER} THEN
    RAISE EXCEPTION '% is written by the server alone', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END""",
    ),
    (
        "add_profile()",
        "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER",
        """BEGIN
  IF NOT coalesce(NEW.is_anonymous, false) THEN
    INSERT INTO public.profiles (user_id, email, display_name, created_at, updated_at)
      VALUES (NEW.id, lower(NEW.email), left(NEW.raw_user_meta_data ->> 'display_name', 200),
        date_trunc('milliseconds', now()), date_trunc('milliseconds', now()))
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END""",
    ),
    (
        "follow_user()",
        "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER",
        """BEGIN
  IF TG_OP = 'DELETE' THEN
    UPDATE public.profiles SET is_active = false, email = NULL, version = version + 1, updated_at = date_trunc('milliseconds', now())
      WHERE user_id = OLD.id;
  ELSE
    UPDATE public.profiles SET email = lower(NEW.email), version = version + 1, updated_at = date_trunc('milliseconds', now())
      WHERE user_id = NEW.id AND email IS DISTINCT FROM lower(NEW.email);
  END IF;
  RETURN NULL;
END""",
    ),
)


def _trigger(name: str, timing: str, table: str, scope: str, function: str) -> str:
    return f"CREATE OR REPLACE TRIGGER {name} {timing} ON {table} FOR EACH {scope} EXECUTE FUNCTION private.{function}()"


_TRIGGERS = (
    _trigger("guard_profile", "BEFORE INSERT OR UPDATE", "public.profiles", "ROW", "guard_profile"),
    _trigger("guard_audit_log", "BEFORE INSERT", "public.audit_log", "STATEMENT", "guard_server_only"),
    _trigger("modeldeck_add_profile", "AFTER INSERT", "auth.users", "ROW", "add_profile"),
    _trigger("modeldeck_follow_user", "AFTER DELETE OR UPDATE OF email", "auth.users", "ROW", "follow_user"),
)

_BACKFILL = """INSERT INTO public.profiles (user_id, email, display_name, created_at, updated_at)
  SELECT id, lower(email), left(raw_user_meta_data ->> 'display_name', 200),
    date_trunc('milliseconds', now()), date_trunc('milliseconds', now())
  FROM auth.users WHERE NOT coalesce(is_anonymous, false) ON CONFLICT DO NOTHING"""
