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
