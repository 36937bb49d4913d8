#!/usr/bin/env bash
# Goes through the whole system on a real engine: brings it up, asks everybody, breaks things, and takes it down again. Uses a copy
# of this folder, a HOME of its own, and a stand-in for the providers on loopback. Ends at the first thing that is wrong.
# SILO_BIN=path of silo, with silo-proxy beside it; MEMORY_IMAGE=an image with Postgres.
set -euo pipefail
if [ -n "${SILO_ACTIVE-}" ]; then echo "verify.sh: this shell is inside an instance; run it from outside" >&2; exit 2; fi
silo=$(command -v "${SILO_BIN:-silo}") || { echo "verify.sh: ${SILO_BIN:-silo} was not found; SILO_BIN=path of silo" >&2; exit 2; }
case $silo in /*) ;; *) silo=$PWD/$silo ;; esac
for tool in docker git python3; do
  command -v "$tool" >/dev/null || { echo "verify.sh: $tool was not found" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
app=$work/cycos
real=('real-key-of-main-4e1f' 'real-key-of-cluster-9b2c')
five=(strategic operations technical research security)
provider='' instance=''

cleanup() {
  code=$?
  trap - EXIT
  if [ -d "$app" ]; then (cd "$app" && "$silo" down --volumes --clean) >/dev/null 2>&1 || true; fi
  "$silo" gateway down >/dev/null 2>&1 || true
  # Images stay after `silo down`, for the next start; here there is none.
  [ -z "$instance" ] || docker images --quiet --filter "label=silo.instance=$instance" | sort -u | xargs -r docker rmi --force >/dev/null 2>&1 || true
  [ -z "$provider" ] || kill "$provider" 2>/dev/null || true
  rm -rf "$work"
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

verified() { echo "verified: $1 (${SECONDS}s)"; }
fail() {
  echo "FAIL: $1" >&2
  [ ! -s "$work/said" ] || tail -n 20 "$work/said" | sed 's/^/    | /' >&2
  exit 1
}
# check WHAT CMD…: the command succeeds.
check() {
  local what=$1
  shift
  "$@" >"$work/said" 2>&1 || fail "$what"
}
# says WHAT PATTERN: what the last command said.
says() { grep -q -- "$2" "$work/said" || fail "$1: expected \`$2\`"; }
# soon WHAT SECONDS CMD…: the command succeeds within the time.
soon() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >"$work/said" 2>&1; do [ "$SECONDS" -lt "$end" ] || fail "$what"; done
}
ask() { "$silo" agent exec "$1" -- ask "${@:2}"; }
# A port that nobody has, below those that the system gives to outgoing connections: one of these is anybody's a moment later.
free() {
  python3 -c '
import random, socket
while True:
    try:
        port = random.randrange(10000, 20000)
        socket.create_server(("127.0.0.1", port)).close()
        break
    except OSError:
        pass
print(port)'
}
# What the engine has of this system's agents.
containers() { docker ps --all --quiet --filter label=silo.agent --filter "label=silo.instance=$instance"; }
started() { docker inspect --format '{{.Name}} {{.State.StartedAt}}' "$(container "$1")"; }
container() { docker ps --all --quiet --filter "label=silo.agent.name=$1" --filter "label=silo.instance=$instance"; }
rows() { "$silo" memory list --json --number 1000; }
count() { rows | python3 -c 'import json, sys; print(sum(one["agent"] == sys.argv[1] for one in json.load(sys.stdin)))' "$1"; }

# A home of its own, in which silo keeps what it keeps; the engine is the one of whoever runs this.
DOCKER_CONFIG=${DOCKER_CONFIG:-${HOME:-/nonexistent}/.docker}
export DOCKER_CONFIG
umask 077
for name in HOME XDG_CONFIG_HOME XDG_STATE_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR; do
  export "$name=$work/home/$name"
  mkdir -p "$work/home/$name"
done
umask 022
cp -R "$here" "$app"
rm -rf "$app/.env" "$app/.silo.lock" "$app/.localnet.env"
cd "$app"
# Another registry than the user's knows nothing of the ports that are leased there.
python3 - "$(free)" <<'PYTHON'
import pathlib, sys
file = pathlib.Path("silo.toml")
file.write_text(file.read_text().replace('"memory:5432"', f'"{sys.argv[1]}:memory:5432"'))
PYTHON
python3 -c 'import os; print("MEMORY_PASSWORD=" + os.urandom(18).hex())' >.env
chmod 600 .env
printf '%s\n' .env .silo.lock .localnet.env >.gitignore
git init --quiet --initial-branch main
git add .
git -c user.name=verify -c user.email=verify@example.com commit --quiet --message 'The system'

"$here/base" agents-base:1 agents-tools:1
if [ -n "${MEMORY_IMAGE-}" ]; then export MEMORY_IMAGE; else "$here/base" agents-memory:1; fi
size=$(docker image inspect --format '{{.Size}}' agents-base:1)
[ "$size" -lt 50000000 ] || fail "agents-base:1 has $size bytes, and may have 50 MB"
verified "the images are made from Debian's packages; the one of strategic has $((size / 1000000)) MB"

mkdir "$work/provider"
python3 "$app/provider.py" "$work/provider" &
provider=$!
soon 'the provider listens' 60 test -s "$work/provider/ports"
{ read -r main && read -r cluster; } <"$work/provider/ports"
own=$(free)
umask 077
mkdir -p "$XDG_CONFIG_HOME/silo"
cat >"$XDG_CONFIG_HOME/silo/gateway.toml" <<TOML
port = $own
[providers.main]
shape = "openai"
url = "http://127.0.0.1:$main"
key = "${real[0]}"
models.small = { input = 100, output = 100, window = 16000, max_output = 256 }
[providers.cluster]
shape = "openai"
url = "http://127.0.0.1:$cluster"
key = "${real[1]}"
models.heavy = { input = 0, output = 0, window = 16000, max_output = 1024 }
[instances]
budget = 5
models = ["small", "heavy"]
TOML
umask 022
mkdir -p "$XDG_CONFIG_HOME/silo/templates"
cp -R "$app/templates/universal" "$XDG_CONFIG_HOME/silo/templates/universal"

check 'silo allow' "$silo" allow
check 'silo up -d' "$silo" up -d
"$silo" agent list --json >"$work/said" || fail 'silo agent list'
# Another instance in the engine may have an agent of that name.
run=$(python3 -c 'import json, sys; print(next((one["id"] for one in json.load(sys.stdin) if one["agent"] == "strategic"), ""))' <"$work/said")
instance=$(docker inspect --format '{{index .Config.Labels "silo.instance"}}' "silo-agent-$run") || fail 'strategic has a container'
for name in "${five[@]}"; do soon "$name is up" 60 ask "$name"; done
verified 'five agencies are up'

check 'strategic answers' ask strategic 'move the office'
says 'strategic answers' '^main thinks of: Plan this in three steps: move the office$'
says 'research has answered strategic' '^main thinks of: Answer with sources: move the office$'
check 'research answers' ask research 'what is a gateway'
says 'research answers' '^main thinks of: Answer with sources: what is a gateway$'
check 'technical answers' ask technical 'fold a protein'
says 'technical sends heavy work to the cluster' '^cluster thinks of: fold a protein$'
check 'security answers' ask security 'is all well'
says 'security finds no way out' '^ways out: none$'
says 'security finds no secret' '^secrets: 0$'
check 'operations answers' ask operations 'how are we'
says 'operations reaches the gateway' '^gateway: 200$'
for name in strategic technical security; do says "operations sees what $name wrote" "^memory: $name has 1$"; done
says 'operations sees what research wrote' '^memory: research has 2$'
for name in strategic research technical security; do says "operations reaches $name" "^$name: up$"; done
for name in "${five[@]}"; do [ "$(count "$name")" -ge 1 ] || fail "the memory has a finding of $name"; done
verified 'each of the five answers, strategic with the help of research, and has rows in the memory'

grep -q "^main ${real[0]} small$" "$work/provider/calls" || fail 'the provider got the real key'
grep -q "^cluster ${real[1]} heavy$" "$work/provider/calls" || fail 'the cluster got its own key'
grep -q 'sk-silo' "$work/provider/calls" && fail 'a placeholder has reached a provider'
for id in $(containers); do
  docker inspect "$id" >"$work/seen"
  docker export "$id" >>"$work/seen"
  # Where silo's init is, the environment and what is mounted are looked at from inside, too.
  if [ "$(docker inspect --format '{{index .Config.Labels "silo.agent.name"}}' "$id")" != '' ]; then
    docker exec "$id" sh -c 'env; cat /proc/[0-9]*/environ /memory/* /findings/* 2>/dev/null; true' >>"$work/seen"
  fi
  for key in "${real[@]}"; do ! grep -aqF "$key" "$work/seen" || fail "a real key is in the container $id"; done
done
verified 'no container has a real key'

check 'the wall' "$silo" agent exec technical -- env RES_OPTIONS='timeout:1 attempts:1' python3 -c "
import socket
def reached(host, port):
    try:
        socket.create_connection((host, port), timeout=0.5).close()
        return True
    except OSError:
        return False
assert reached('llm-gateway', 4000) and reached('memory', 5432), 'what it may reach'
own = socket.gethostbyname('llm-gateway').rsplit('.', 1)[0]
last = int(socket.gethostbyname('llm-gateway').rsplit('.', 1)[1])
places = [('1.1.1.1', 443), ('169.254.169.254', 80), ('127.0.0.1', $main), ('127.0.0.1', $own), (f'{own}.{last - 1}', $main), (f'{own}.{last - 1}', $own)]
places += [(name, port) for name, port in [('example.com', 443), ('strategic', 8080), ('research', 8080)]]
assert not [place for place in places if reached(*place)], places
"
verified 'the wall holds: the gateway and the memory are reached, and nothing else'

before=$(for name in strategic operations research security; do started "$name"; done)
# It takes more memory than it may, and dies of it.
ask technical 'python: print(len(b"x" * (1 << 30)))' >"$work/said" 2>&1 && fail 'technical has taken 1 GiB'
soon 'technical has died' 60 sh -c "test \"\$(docker inspect --format '{{.State.Status}}' '$(container technical)')\" = exited"
for name in strategic operations research security; do check "$name answers meanwhile" ask "$name" 'still there'; done
check 'operations answers without technical' ask operations 'who is missing'
says 'operations sees that technical is down' '^technical: down: '
says 'operations sees that the others are up' '^security: up$'
check 'silo heal' "$silo" heal
soon 'technical is back' 60 ask technical
check 'technical answers again' ask technical 'fold it again'
says 'technical answers again' '^cluster thinks of: fold it again$'
[ "$before" = "$(for name in strategic operations research security; do started "$name"; done)" ] || fail 'the others were not touched'
verified 'technical has died of its memory, is healed, and the others did not notice'

spent=''
for _ in $(seq 20); do
  if ! ask research 'once more' >"$work/said" 2>&1; then spent=yes; break; fi
done
[ -n "$spent" ] || fail 'the budget of research is never spent'
says 'research is cut off' 'budget_spent'
for name in strategic operations technical security; do check "$name answers though research is cut off" ask "$name" 'go on'; done
verified 'research has spent its budget and is cut off; the others go on'

"$silo" agent run universal 'Which files have no test?' --as repo-scout >"$work/scout" 2>&1 &
scout=$!
"$silo" agent run universal $'Does it compile?\n$ python3 -c "import ast, pathlib; [ast.parse(p.read_text()) for p in pathlib.Path().rglob(\'*.py\')]"' --as qa-bot >"$work/qa" 2>&1 || { cp "$work/qa" "$work/said"; fail 'qa-bot'; }
wait "$scout" || { cp "$work/scout" "$work/said"; fail 'repo-scout'; }
for id in repo-scout qa-bot; do [ "$(rows | grep -c "\"run\": \"$id\"")" = 1 ] || { rows >"$work/said"; fail "the finding of $id is in the memory"; }; done
check 'the next one' "$silo" agent run universal 'What do we know?' --as reader
says 'the next one reads what the scout found' '^  # repo-scout: Which files have no test?$'
says 'the next one reads what the bot found' '^  # qa-bot: Does it compile?$'
grep -qF 'exit code 0' "$(find "$XDG_STATE_HOME/silo/agents/qa-bot/findings" -name report.md)" || fail 'qa-bot ran its command'
# shellcheck disable=SC2016 # It is to be there as it is.
grep -qF '${SILO_TASK}' "$XDG_CONFIG_HOME/silo/templates/universal/prompt/brief.md" || fail 'the template is as it was'
verified 'a scout and a bot of one template: what they found is in the memory, and the next one reads it'

compose=$("$silo" get COMPOSE_PROJECT_NAME)
left() {
  for label in "silo.instance=$instance" "com.docker.compose.project=$compose"; do
    docker ps --all --filter "label=$label" --format '{{.Names}}'
    docker network ls --filter "label=$label" --format '{{.Name}}'
    docker volume ls --filter "label=$label" --format '{{.Name}}'
  done
}
# Each agency with its relay and network, and the memory with a network and a volume.
[ "$(left | wc -l)" -ge 18 ] || { left >"$work/said"; fail 'the engine shows what is up'; }
check 'silo down' "$silo" down --volumes
left >"$work/said"
[ ! -s "$work/said" ] || fail 'something is left in the engine'
check 'silo gateway down' "$silo" gateway down
! compgen -G "$XDG_STATE_HOME/silo/agents/*/work" >/dev/null || fail 'what agents worked with is left'
verified 'silo down: nothing is left'
