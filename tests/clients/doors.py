"""Connections to a server's doors, from where the tests say they are."""

import os

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import psycopg

USER = os.environ["PARX_USER"]
PASSWORD = os.environ["PARX_PASSWORD"]
POSTGRES_HOST, POSTGRES_PORT = os.environ["PARX_POSTGRES"].rsplit(":", 1)


def postgres(**more):
    """A psycopg connection."""
    options = {"password": PASSWORD, "autocommit": True} | more
    return psycopg.connect(
        host=POSTGRES_HOST, port=POSTGRES_PORT, user=USER, dbname="parx", **options
    )


def flight(password=PASSWORD):
    """An ADBC connection to the Flight SQL door."""
    return adbc_driver_flightsql.dbapi.connect(
        f"grpc://{os.environ['PARX_FLIGHT']}",
        db_kwargs={
            adbc_driver_manager.DatabaseOptions.USERNAME.value: USER,
            adbc_driver_manager.DatabaseOptions.PASSWORD.value: password,
        },
        autocommit=True,
    )


def memory(kind="VmHWM"):
    """Memory of the server's process in MiB: its highest (VmHWM) or present (VmRSS) size."""
    with open(f"/proc/{os.environ['PARX_PID']}/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(kind):
                return int(line.split()[1]) / 1024
    raise AssertionError(f"the system does not tell {kind}")
