#!/bin/sh
# What a bare Debian 12 lacks: Python, Pango for PDF reports, PostgreSQL's client for backups, and an account.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv ca-certificates \
    libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 postgresql-client
rm -rf /var/lib/apt/lists/*
id pdx >/dev/null 2>&1 || useradd --system --home-dir /var/lib/pdx --shell /usr/sbin/nologin pdx
install -d -o pdx -g pdx -m 700 /var/lib/pdx
