import psycopg


def test_engines_answer(engines):
    with psycopg.connect(engines.database_url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_database(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname='public'").fetchone()[0] > 0


def test_database_2(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname='public'").fetchone()[0] > 0
