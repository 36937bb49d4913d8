"""k3d's clusters: how it logs, which containers a cluster is made of, and how they look in JSON."""

import json
import os
import re
import socket
import sys

import fake

COLORS = {"info": 36, "warning": 33, "error": 31, "fatal": 31}
LEVELS = ["panic", "fatal", "error", "warning", "info", "debug", "trace"]
OFF = ("0", "f", "F", "false", "FALSE", "False")


def log(level, text):
    """As logrus does: INFO on stdout, WARN and worse on stderr, coloured unless told not to be."""
    wanted = {"warn": "warning"}.get(os.environ.get("LOG_LEVEL", ""), os.environ.get("LOG_LEVEL", "info"))
    if LEVELS.index(level) > (LEVELS.index(wanted) if wanted in LEVELS else 4):
        return
    stream = sys.stdout if level == "info" else sys.stderr
    if os.environ.get("LOG_COLORS") in OFF:
        line = f'time="{fake.now()}" level={level} msg={json.dumps(text, ensure_ascii=False)}'
    else:
        line = f"\x1b[{COLORS[level]}m{level[:4].upper()}\x1b[0m[0000] {text:<44} "
    print(line, file=stream, flush=True)


def fatal(text):
    log("fatal", text)
    sys.exit(1)


def nodes(cluster, roles=("server", "agent", "loadbalancer")):
    mine = [one for one in fake.containers() if one["labels"].get("k3d.cluster") == cluster]
    return [one for one in mine if one["labels"].get("k3d.role") in roles]


def clusters():
    names = {one["labels"].get("k3d.cluster") for one in fake.containers() if one["labels"].get("app") == "k3d"}
    return [name for name in sorted(names - {None, ""}) if nodes(name)]


def check_name(name):
    if len(name) > 32:
        fatal(f"Cluster name must be <= 32 characters, but has {len(name)}")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name, re.I):
        fatal(f"'{name}' is not a valid hostname: only RFC 1123 host labels are")


def known(name):
    if name not in clusters():
        fatal("No nodes found for given cluster")
    return name


def network_file(cluster):
    return os.path.join(fake.STATE, "networks", f"k3d-{cluster}.json")


def make_network(cluster):
    """Makes the network; true when there was one, which k3d then takes for somebody else's."""
    if os.path.exists(network_file(cluster)):
        return True
    fake.write(network_file(cluster), json.dumps({"name": f"k3d-{cluster}", "labels": {"app": "k3d"}}))
    return False


def deletes(cluster, parts):
    """What of a cluster's containers goes with it. The network's name is read from labels that a registry has not: alone,
    its own network looks like another one."""
    network = next(filter(None, (one["labels"].get("k3d.cluster.network") for one in parts)), None)
    gone = [one for one in parts if one["labels"]["k3d.role"] != "registry"
            or set(one["networks"]) <= {"bridge", "host", network}]
    for one in parts:
        if one not in gone and network in one["networks"]:
            fake.save({**one, "networks": [name for name in one["networks"] if name != network]})
    external = any(one["labels"].get("k3d.cluster.network.external") == "true" for one in parts)
    if network and not external:
        fake.remove(network_file(cluster))
    return gone


def container(name, role, cluster, image, ports, labels, external=False, state="created"):
    own = {"app": "k3d", "k3d.role": role, "k3d.version": "v5.9.0", **({"k3d.cluster": cluster} if cluster else {})}
    if role != "registry":
        own.update({
            "k3d.cluster.network": f"k3d-{cluster}",
            "k3d.cluster.network.external": str(external).lower(),
            "k3d.cluster.imageVolume": f"k3d-{cluster}-images",
            "k3d.cluster.token": f"SECRET-token-of-{cluster}",
            "k3d.cluster.url": f"https://k3d-{cluster}-server-0:6443",
        })
    return {
        "name": name, "image": image, "state": state, "created": fake.now(), "labels": {**own, **labels},
        "ports": ports, "networks": (["bridge"] if role == "registry" else []) + ([f"k3d-{cluster}"] if cluster else []),
        "env": [f"K3S_TOKEN=SECRET-token-of-{cluster}"] if role in ("server", "agent") else [],
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def exposure(text):
    """`[HOST:]PORT` as a binding; names of hosts other than localhost are not looked up."""
    host, _, port = text.rpartition(":")
    if port not in ("random", "") and not port.isdigit():
        fatal(f"Failed to parse port '{text}'")
    return {"HostIp": {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host),
            "HostPort": port if port.isdigit() else free_port()}


def registry(spec, cluster):
    name, _, where = spec.partition(":")
    name = name or f"k3d-{cluster}-registry"
    if any(one["name"] == name for one in fake.containers()):
        return None
    bind = exposure(where or "random")
    labels = {"k3d.registry.host": where.rpartition(":")[0], "k3d.registry.hostIP": bind["HostIp"],
              "k3s.registry.port.external": bind["HostPort"], "k3s.registry.port.internal": "5000"}
    return container(name, "registry", cluster, "docker.io/library/registry:2", {"5000/tcp": [bind]}, labels)


def runtime_labels(specs, role, index):
    labels = {}
    for spec in specs:
        pair, at, filters = spec.partition("@")
        key, _, value = pair.partition("=")
        fits = [one.strip("@").split(":") for one in filters.split(";")]
        if not at or any(one[0] in ("all", role) and (one[1:2] or ["*"])[0] in ("*", str(index)) for one in fits):
            labels[key] = value
    return labels


def planned(name, found, external):
    """The containers of a new cluster, all only created."""
    last = {key: values[-1] for key, values in found.items()}
    image = last.get("image", "docker.io/rancher/k3s:v1.31.5-k3s1")
    labels = found.get("runtime-label", [])
    counts = [("server", int(last.get("servers", 1))), ("agent", int(last.get("agents", 0)))]
    if not last.get("no-lb"):
        counts.append(("loadbalancer", 1))
    if sum(count for _, count in counts) > 1 and any("@" not in label for label in labels):
        fatal(f"Failed to apply runtime labels {labels}: a node filter is needed when there is more than one node")
    made = []
    for role, count in counts:
        for index in range(count):
            full = f"k3d-{name}-serverlb" if role == "loadbalancer" else f"k3d-{name}-{role}-{index}"
            own = runtime_labels(labels, role, index)
            picture = "ghcr.io/k3d-io/k3d-proxy:5.9.0" if role == "loadbalancer" else image
            made.append(container(full, role, name, picture, {}, own, external))
    front = made[-1] if not last.get("no-lb") else made[0]
    front["ports"]["6443/tcp"] = [exposure(last.get("api-port", "random"))]
    for spec in found.get("port", []):
        mapping, _, where = spec.partition("@")
        host, _, inner = mapping.rpartition(":")
        inner = inner if "/" in inner else inner + "/tcp"
        direct = re.fullmatch(r"(server|agent):(\d+):direct", where)
        node = next((one for one in made if direct and one["name"].endswith(f"-{direct[1]}-{direct[2]}")), front)
        node["ports"].setdefault(inner, []).append(exposure(host))
    return made


def up(cluster, parts):
    """Starts containers and holds their ports if asked to; the text Docker fails with when a port is taken."""
    sockets, taken = fake.bind_all(parts)
    if taken:
        return taken
    for one in parts:
        fake.save({**one, "state": "running"})
    if fake.setting("k3d.listen") is not None:
        fake.serve(sockets, cluster)
    for listener in sockets:
        listener.close()
    return None


def advertise(cluster, extra):
    if fake.setting("k3d.cluster-create.noconfigmap") is not None:
        log("warning", "Failed to create LocalRegistryHosting ConfigMap: the fake was told to fail")
        return
    bind = extra["ports"]["5000/tcp"][0]
    host = extra["labels"]["k3d.registry.host"] or bind["HostIp"]
    inner = f"{extra['name']}:5000"
    text = "".join(f"{key}: {value}\n" for key, value in {
        "host": f"{'localhost' if host == '0.0.0.0' else host}:{bind['HostPort']}",
        "hostFromContainerRuntime": inner, "hostFromClusterNetwork": inner,
        "help": "https://k3d.io/stable/usage/registries/#using-a-local-registry"}.items())
    path = os.path.join(fake.STATE, "configmaps", f"k3d-{cluster}.kube-public.local-registry-hosting.json")
    fake.write(path, json.dumps({"data": {"localRegistryHosting.v1": text}}))


def shape(name, asked):
    """A cluster in JSON. Asked for by its name, it has its registry, load balancer and volumes too."""
    own = nodes(name)
    listed = nodes(name, ("server", "agent", "loadbalancer", "registry")) if asked else own
    count = {role: [one for one in own if one["labels"]["k3d.role"] == role] for role in ("server", "agent")}
    front = [one for one in own if one["labels"]["k3d.role"] == "loadbalancer"]
    network = {"name": f"k3d-{name}", "id": "", "ipam": {"ipPrefix": "", "Managed": False}, "Members": None}
    answer = {"name": name, "network": network, "nodes": [node(one) for one in listed], "InitNode": None}
    if asked and front:
        answer["serverLoadBalancer"] = {**node(front[0]), "config": {"ports": {"6443.tcp": [f"k3d-{name}-server-0"]},
                                                                    "settings": {"workerConnections": 1024}}}
    answer["imageVolume"] = f"k3d-{name}-images"
    if asked:
        answer["volumes"] = [f"k3d-{name}-images"]
    for role, members in count.items():
        answer[f"{role}sRunning"] = sum(one["state"] == "running" for one in members)
        answer[f"{role}sCount"] = len(members)
    return {**answer, **({"hasLoadbalancer": True} if front else {})}


def node(one):
    running = one["state"] == "running"
    kube_api = {"Port": "", "Binding": {"HostIp": "", "HostPort": ""}}
    return {
        "name": one["name"], "role": one["labels"]["k3d.role"], "image": one["image"],
        **({"env": one["env"]} if one.get("env") else {}), "Cmd": None,
        **({"portMappings": one["ports"]} if one["ports"] else {}), "restart": True, "created": one["created"],
        # Only labels that start with `k3d` come back: `silo.*` are for docker to tell.
        "runtimeLabels": {key: value for key, value in one["labels"].items() if key.startswith("k3d")},
        "Networks": one["networks"], "ExtraHosts": None, "serverOpts": {"kubeAPI": kube_api}, "agentOpts": {},
        "GPURequest": "", "Memory": "", "State": {"Running": running, "Status": one["state"], "Started": ""},
        "IP": {"IP": "172.18.0.3" if running else "", "Static": False}, "K3dEntrypoint": False,
    }
