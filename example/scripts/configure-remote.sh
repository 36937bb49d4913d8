#!/bin/sh
# post-up of the remote-api profile, behind the base's own hook.
set -eu
echo "web of $WORKSPACE_NAME talks to $API_URL"
