"""What the stand-ins of k3d, kubectl and docker share: the call log, the behaviour files, flags and containers.

Containers are the one truth, as with the real tools: k3d makes them, and `k3d ... list` and `docker ps` read them.
"""

import json
import os
import select
import signal
import socket
import sys
import time

SHOWN = ("KUBECONFIG", "TILT_PORT", "SILO_WORKSPACE")
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,")
NAME = os.path.basename(sys.argv[0])
FAKES = os.environ.get("FAKES") or os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "..", "fakes")
STATE = os.path.join(FAKES, "state")
NO_DOCKER = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


def quote(word):
    if word and SAFE.issuperset(word):
        return word
    return "'" + word.replace("'", "'\\''").replace("\n", "\\n") + "'"


def shown(arguments):
    return " ".join(quote(word) for word in [NAME, *arguments])


def append(line):
    handle = os.open(os.path.join(FAKES, "calls"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, (line + "\n").encode("utf-8", "surrogateescape"))
    os.close(handle)


def start():
    """Notes the call, and lets signals end the process as they end the real tool."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    env = " ".join(f"{key}={quote(os.environ[key])}" for key in SHOWN if key in os.environ)
    append(shown(sys.argv[1:]) + (f" | {env}" if env else ""))


def unknown():
    append("UNKNOWN " + shown(sys.argv[1:]))
    fail(f"fake {NAME}: unknown call: {shown(sys.argv[1:])}", 97)


def fail(text, code=1):
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)
    sys.exit(code)


def setting(name):
    """The text of a behaviour file; none when it is not there."""
    try:
        with open(os.path.join(FAKES, name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def hold(sub):
    """Blocks while `NAME.SUB.wait` is there, at most 30 s."""
    for _ in range(600):
        if setting(f"{NAME}.{sub}.wait") is None:
            return
        time.sleep(0.05)


def exit_code(sub):
    return int((setting(f"{NAME}.{sub}.exit") or "0").strip() or "1")


def answer(sub):
    """Prints what `.stderr` and `.garbage` say, and ends when one of `.garbage` and `.exit` says so."""
    sys.stdout.flush()
    print(setting(f"{NAME}.{sub}.stderr") or "", end="", file=sys.stderr, flush=True)
    garbage = setting(f"{NAME}.{sub}.garbage")
    if garbage is not None:
        print(garbage, end="", flush=True)
    if garbage is not None or exit_code(sub) != 0:
        sys.exit(exit_code(sub))


def behave(sub):
    hold(sub)
    answer(sub)


def flags(arguments, values, switches):
    """Splits arguments into words and flags. Both tables map each spelling to its name; anything else is unknown."""
    words, found, rest = [], {}, list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("--") and len(word) > 2 and word[:2] in values:
            key, equals, value = word[:2], "=", word[2:]
        if key in switches and value in ("", "true", "false"):
            found.setdefault(switches[key], []).append(value != "false")
        elif key in values and (equals or rest):
            found.setdefault(values[key], []).append(value if equals else rest.pop(0))
        else:
            unknown()
    return words, found


def write(path, text):
    """Replaces a file as a whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(draft, path)


def read_json(path):
    text = setting(path)
    return None if text is None else json.loads(text)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def containers():
    """All containers by name, running or not."""
    folder = os.path.join(STATE, "containers")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json")) if os.path.isdir(folder) else []
    # One may be removed meanwhile.
    return [one for one in (read_json(os.path.join(folder, name)) for name in names) if one is not None]


def container_file(name):
    return os.path.join(STATE, "containers", f"{name}.json")


def save(container):
    write(container_file(container["name"]), json.dumps(container, indent=1))


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def bindings(container):
    return [(bind, inner) for inner, binds in container["ports"].items() for bind in binds]


def bind_all(group):
    """Sockets on all ports of some containers, or the text Docker fails with when one is taken."""
    sockets = []
    for container in group:
        for bind, _ in bindings(container):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            where = f"{bind['HostIp']}:{bind['HostPort']}"
            taken = any(
                other["state"] == "running" and other["name"] not in [one["name"] for one in group]
                and any(held["HostPort"] == bind["HostPort"] for held, _ in bindings(other))
                for other in containers()
            )
            try:
                listener.bind((bind["HostIp"], int(bind["HostPort"])))
                listener.listen(16)
            except OSError:
                taken = True
            if taken:
                for held in [*sockets, listener]:
                    held.close()
                return [], f"Bind for {where} failed: port is already allocated"
            sockets.append(listener)
    return sockets, None


def serve(sockets, name):
    """Holds sockets in a process of its own, as docker-proxy does, until its file in the state folder is gone."""
    path = os.path.join(STATE, "listeners", name)
    write(path, "")
    sys.stdout.flush()
    if os.fork() != 0:
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)
    while os.path.exists(path):
        for listener in select.select(sockets, [], [], 0.05)[0]:
            listener.accept()[0].close()
    os._exit(0)


def silence(name, group):
    """Ends [`serve`], and waits until the ports are free again."""
    path = os.path.join(STATE, "listeners", name)
    if not os.path.exists(path):
        return
    remove(path)
    for _ in range(40):
        sockets, taken = bind_all(group)
        for listener in sockets:
            listener.close()
        if not taken:
            return
        time.sleep(0.05)
