#!/bin/sh
# Bring the database to this version, collect static files, and serve on port 8000 (PORT, WEB_THREADS, WEB_WORKERS).
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python manage.py migrate --verbosity=0
.venv/bin/python manage.py collectstatic --noinput --verbosity=0
exec .venv/bin/gunicorn --bind "0.0.0.0:${PORT:-8000}" --workers "${WEB_WORKERS:-2}" --threads "${WEB_THREADS:-8}" \
    --timeout 120 --access-logfile - --no-control-socket pdx_tracker.wsgi
