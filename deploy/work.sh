#!/bin/sh
# Build reports and make the daily backup; as many of these as wanted, on any machine with the same database.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/python manage.py work
