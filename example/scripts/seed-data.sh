#!/bin/sh
# post-up: data for this instance alone; it knows itself by the vars.
set -eu
mkdir -p .data
echo "seeded for $WORKSPACE_NAME at $(date -u +%Y-%m-%dT%H:%M:%SZ)" >.data/seed.txt
