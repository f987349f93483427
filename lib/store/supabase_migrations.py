"""Write the migrations as files for Supabase's own tools: ``python -m lib.store.supabase_migrations`` in the root of the project.

One file per Alembic revision, then one with the triggers, views, policies and grants of this version. Files of revisions
never change once made. The guards belong to the newest revision: after a release they only change together with a new
revision, and those of earlier ones stay where they are, for projects that have applied them.
"""

from __future__ import annotations

import io
from pathlib import Path

from lib.store import analytics_role, supabase_guards
from lib.store.database import MIGRATIONS, REVISIONS
from lib.store.triggers import postgres_statements

FOLDER = Path(__file__).parents[2] / "supabase"
_FIRST_GUARDED = REVISIONS.index("0006")
"""From the revision after this one on, a migration meets tables that are guarded already."""
_HEADER = "-- Made by `make migrations` from {}; change that, not this file.\n"


def files() -> dict[str, str]:
    """Return the text of every generated file by its path below supabase/."""
    made = {}
    for number, revision in enumerate(REVISIONS):
        (source,) = MIGRATIONS.glob(f"versions/{revision}_*.py")
        unguard = unguarded() if number > _FIRST_GUARDED else ""
        text = _HEADER.format(f"lib/store/migrations/versions/{source.name}") + unguard + _revision(number)
        made[f"migrations/20260101{revision}00_{source.stem[5:]}.sql"] = text
    guards = (*postgres_statements(), *supabase_guards.statements(), *analytics_role.rights(), _NOTHING_TO_REBUILD)
    made[f"migrations/20260101{REVISIONS[-1]}59_guards.sql"] = (
        _HEADER.format("lib/store/triggers*.py and supabase_*.py") + unguarded() + _joined(guards)
    )
    made["setup.sql"] = "-- All of migrations/ in one, to paste into the SQL editor of a new project.\n" + "\n".join(
        ["BEGIN;\n", *(made[name] for name in sorted(made)), "COMMIT;\n"]
    )
    return made


def _revision(number: int) -> str:
    """Return one revision's SQL, as Alembic writes it."""
    from alembic import command
    from alembic.config import Config

    buffer = io.StringIO()
    config = Config(output_buffer=buffer)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, f"{REVISIONS[number - 1]}:{REVISIONS[number]}" if number else REVISIONS[0], sql=True)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines() if not line.startswith("-- Running"))
    schema = "CREATE SCHEMA IF NOT EXISTS private;\n\n" if number == 0 else ""
    return schema + "\n".join(lines).strip("\n").replace("\n\n\n", "\n\n") + "\n"


def unguarded() -> str:
    """Return SQL that takes away what would keep a migration from changing a table."""
    return _joined((_DROP_VIEWS, _DROP_TRIGGERS, supabase_guards.drop_policies()))


# By what their names have in common, for an earlier version had other ones.
_DROP_VIEWS = """DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'usage\\_%\\_now' LOOP
    EXECUTE format('DROP VIEW public.%I', found.viewname);
  END LOOP;
END $do$"""
_DROP_TRIGGERS = """DO $do$ DECLARE found record; BEGIN
  FOR found IN SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON public.%I', found.tgname, found.relname);
  END LOOP;
END $do$"""
_NOTHING_TO_REBUILD = "UPDATE rollup_state SET rebuild_from = NULL, rebuild_done_to = NULL WHERE NOT EXISTS (SELECT FROM llm_usage_log)"


def _joined(statements: tuple[str, ...]) -> str:
    return "".join(f"\n{statement};\n" for statement in statements)


def write(folder: Path = FOLDER) -> list[str]:
    """Write every file that is not as it should be; return their names."""
    changed = []
    for name, text in files().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    print("\n".join(write()) or "Nothing has changed.")
