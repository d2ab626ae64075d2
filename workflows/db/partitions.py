"""Monthly partitions of `events`: this month's and the next are made ahead of time."""

from __future__ import annotations

from sqlalchemy import Connection, text

# `to_regclass` and IF NOT EXISTS keep it re-entrant; two callers at once are serialised by the advisory lock.
_ENSURE = text("""
DO $$
DECLARE first date; part text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('events partitions'));
  FOR i IN 0..1 LOOP
    first := date_trunc('month', now() AT TIME ZONE 'UTC')::date + make_interval(months => i);
    part := 'events_' || to_char(first, 'YYYY_MM');
    IF to_regclass(part) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', part,
        first::text || ' 00:00:00+00', (first + interval '1 month')::date::text || ' 00:00:00+00');
    END IF;
  END LOOP;
END $$
""")


def ensure_partitions(conn: Connection) -> None:
    """Make the partitions of the current and the next month (UTC) if they are missing."""
    conn.execute(_ENSURE)
