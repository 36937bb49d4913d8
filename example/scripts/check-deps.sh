#!/bin/sh
# pre-up: what this profile needs is installed.
set -eu
case ${SILO_PROFILE-} in
  native | remote-api) needed="python3" ;;
  *) needed="docker k3d kubectl" ;;
esac
for tool in $needed; do
  command -v "$tool" >/dev/null || { echo "check-deps: $tool is not installed" >&2; exit 1; }
done
