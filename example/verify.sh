#!/usr/bin/env bash
# Goes through the feature checklist against the real tools, as far as they are installed, and says what it could not
# check. Uses a copy of the example and an instance of its own, and cleans up.
# SILO_BIN=path of silo, PROFILE=native for machines without Docker.
# shellcheck disable=SC2317 # Functions are called through `check` and `trap`.
set -uo pipefail
if [ -n "${SILO_ACTIVE-}" ]; then echo "verify.sh: this shell is inside an instance; run it from outside" >&2; exit 2; fi
silo=$(command -v "${SILO_BIN:-silo}") || { echo "verify.sh: ${SILO_BIN:-silo} was not found; SILO_BIN=path of silo" >&2; exit 2; }
case $silo in /*) ;; *) silo=$PWD/$silo ;; esac
work=$(mktemp -d) || exit 2
cp -R "$(dirname "$0")/." "$work" && cd "$work" && rm -rf .localnet.env .silo.lock .data || exit 2
name=verify-$$
profile=${PROFILE-}
cluster=localnet-$name
failed=0 unchecked=()
pass() { echo "ok    $1"; }
fail() { echo "FAIL  $1"; failed=1; }
check() {
  local what=$1; shift
  if "$@" >"$work/.said" 2>&1; then pass "$what"; else fail "$what"; tail -n 20 "$work/.said" | sed 's/^/      | /'; fi
}
skip() { unchecked+=("$1"); }
have() { for tool in "$@"; do command -v "$tool" >/dev/null || return 1; done; }
until_true() { local end=$((SECONDS + $1)); shift; until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 1; done; }
mode() { stat -c %a "$1" 2>/dev/null || stat -f %Lp "$1"; }
cleanup() { "$silo" down --delete-cluster --clean >/dev/null 2>&1; cd / && rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
port() { sed -n "s/^$1=//p" .localnet.env; }

if [ -z "$profile" ] && ! { have docker k3d kubectl && docker info >/dev/null 2>&1; }; then
  profile=native
  skip "cluster, image registry, kubeconfig, pods (docker, k3d or kubectl is not installed, or Docker does not answer)"
fi
# Without `+` an empty list is an unset variable to the bash of macOS.
flags=(); [ -z "$profile" ] || flags=(--profile "$profile")

check "env file and lockfile" "$silo" env "$name" ${flags[@]+"${flags[@]}"}
check "instance name in the env file" grep -q "^WORKSPACE_NAME=$name$" .localnet.env
check "compose project name" grep -q "^COMPOSE_PROJECT_NAME=localnet-$name$" .localnet.env
check "hosts" grep -q "^API_HOST=api.$name.localhost$" .localnet.env
check "URLs from hosts and ports" grep -q "^WEB_URL=http://$name.localhost:$(port WEB_PORT)$" .localnet.env
before=$(port WEB_PORT); rm .localnet.env; "$silo" env >/dev/null 2>&1
check "name and ports are used again" test "$(port WEB_PORT)" = "$before"
check "profiles are listed" grep -q native <("$silo" profiles)
if "$silo" env --profile remote-api >/dev/null 2>&1; then fail "a profile switch needs --force"; else pass "a profile switch needs --force"; fi
if have tilt; then
  "$silo" up -d || fail "silo up -d"
  check "pre-up and post-up hooks" test -f .data/seed.txt
  # The first time, images come over the network.
  check "resources are ready" "$silo" wait --timeout 600
  if have curl; then
    check "web answers" until_true 30 curl -fsS "http://localhost:$(port WEB_PORT)/health"
  else
    skip "whether the web server answers (curl is not installed)"
  fi
  check "status says running" grep -q '^State: running' <("$silo" status)
  check "a second up is refused" grep -q 'already running' <("$silo" up 2>&1)
  if [ -z "$profile" ]; then
    check "cluster" grep -q "^$cluster " <(k3d cluster list --no-headers)
    check "image registry" grep -q "$cluster-registry" <(k3d registry list --no-headers)
    check "kubeconfig of its own, mode 600" test "$(mode "$HOME/.kube/$cluster")" = 600
    check "pods run" until_true 180 sh -c "KUBECONFIG='$HOME/.kube/$cluster' kubectl get pods | grep 'web.*Running'"
  fi
  check "down" "$silo" down
  check "status says stopped" grep -q '^State: stopped' <("$silo" status)
  if [ -z "$profile" ]; then
    check "the cluster is kept" grep -q "^$cluster " <(k3d cluster list --no-headers)
    check "down --delete-cluster" "$silo" down --delete-cluster
    if grep -q "^$cluster " <(k3d cluster list --no-headers); then fail "the cluster is gone"; else pass "the cluster is gone"; fi
  fi
else
  skip "everything that needs Tilt (it is not installed)"
fi
check "down --clean" "$silo" down --clean
check "files are gone" test ! -e .localnet.env -a ! -e .silo.lock
skip "browser isolation: open the web address of two instances and look at their cookies"
for what in "${unchecked[@]}"; do echo "not checked: $what"; done
exit $failed
