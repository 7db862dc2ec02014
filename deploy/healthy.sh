#!/bin/sh
# Exit 0 while the server says of itself that it is well.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/python -c "
import os, sys, urllib.request
address = 'http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/healthz'
asked = urllib.request.Request(address, headers={'X-Forwarded-Proto': 'https'})
sys.exit(urllib.request.urlopen(asked, timeout=8).status != 200)
"
