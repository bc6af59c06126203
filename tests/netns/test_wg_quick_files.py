# SPDX-License-Identifier: MIT
"""RULES I1: what wg-quick and `wg setconf` accept means the same to Hopwire.

tests/corpus/wg-quick has files of the shapes that providers, panels and generators hand out, each with
its meaning (or the words of its refusal) beside it. wg-quick's own reader and `wg setconf` with
`wg showconf` on an interface are asked about the same files, and about random changes of them."""

import base64
import glob
import ipaddress
import os
import random
import re
import socket
import subprocess

import tap
from lab import Lab, NotPossible, reexec_unprivileged, wait_until
from peers import Hopwire, Interface, Key, WireguardGo, hopwire_binary, sections

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(os.path.dirname(HERE), "corpus", "wg-quick")
CHANGED_FILES = 120
STAND_IN = "192.0.2.250"  # for a name: `wg` would ask for its address
HOOKS = re.compile(r"^\s*(Pre|Post)(Up|Down)\s*=|^\s*SaveConfig\s*=\s*true", re.I | re.M)

# wg-quick's own functions read each file and set the interface, as far as that is the file's meaning:
# what wg-quick only hands on, `wg` and `ip` judge. `had` has the addresses after each one that was
# added; the route stands for all that go into the table. For a name `wg` would ask: STAND_IN.
QUICK = r"""
source <(sed '/^# ~~ function override insertion point ~~/,$d' "$(command -v wg-quick)")
set +e
export WG_ENDPOINT_RESOLUTION_RETRIES=0
route=192.0.2.251/32
without_names() {
    sed -E 's/^(\s*endpoint\s*=\s*)[[:alnum:]_.-]*[a-z][[:alnum:]_.-]*(\s*:[^:#]*(#.*)?)$/\1'"$1"'\2/I'
}
understand() {
    parse_options "$1"
    INTERFACE=wgt
    echo "dns=${DNS[*]}"; echo "domains=${DNS_SEARCH[*]}"; echo "wg=$(base64 -w0 <<< "$WG_CONFIG")"
    wg setconf wgt /dev/stdin < <(without_names "$2" <<< "$WG_CONFIG") || return
    echo "shown=$(wg showconf wgt | base64 -w0)"
    local had="" address
    for address in "${ADDRESSES[@]}"; do
        add_addr "$address" || return
        had+=" $(ip -br address show dev wgt)"
    done
    echo "addresses=$had"
    [[ -z $MTU ]] || { set_mtu_up && echo "mtu=$(< /sys/class/net/wgt/mtu)"; } || return
    if [[ -n $TABLE && $TABLE != auto ]]; then
        add_route "$route" || return
        echo "route=$(ip -N -d route show table all "$route")"
    fi
    echo "table=$TABLE"
}
ip link set wgt addrgenmode none
while read -r file; do
    echo "file=$file"
    ip link set wgt mtu 1420 && ip address flush dev wgt && ip route flush table all "$route"
    ( understand "$file" "$1" && echo taken=yes ) 2> /dev/null || echo refused
done
"""


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


class Readers:
    """Hopwire, wg-quick and `wg`, each asked about many files at once."""

    def __init__(self, lab):
        self.host = lab.host("reader")
        self.host.ip("link", "set", "lo", "up")
        self.host.write("etc/services", "domain 53/udp\nhttps 443/udp\n", 0o644)
        self.wireguard = WireguardGo(self.host, Interface("wgt", Key(), [], port=None))
        self.count = 0

    def write(self, text):
        """A name that wg-quick takes, whatever the file was called."""
        self.count += 1
        path = os.path.join(self.host.dir, f"w{self.count}.conf")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def hopwire(self, paths):
        """For each its lines, ["refused"] or the lines of its meaning; and all messages."""
        program = os.path.join(os.path.dirname(hopwire_binary()), "../../tests/config_print")
        result = self.host.run(program, input="\n".join(paths) + "\n")
        answers = result.stdout.split("\n\n")[:-1]
        tap.equal(len(answers), len(paths), "answers of config_print")
        return [answer.splitlines() for answer in answers], result.stderr

    def quick(self, paths):
        """For each a dict of what wg-quick, `wg` and `ip` made of it, or None: one of them refused."""
        result = self.host.run("bash", "-c", QUICK, "wg-quick", STAND_IN, input="\n".join(paths) + "\n")
        answers = []
        for part in result.stdout.split("file=")[1:]:
            lines = dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line)
            is_taken = "taken" in lines and all(map(name_server, lines["dns"].split()))
            answers.append(lines if is_taken else None)
        tap.equal(len(answers), len(paths), f"answers of wg-quick: {result.stderr}")
        return answers

    def interfaces(self):
        """Name by number."""
        return {str(link["ifindex"]): link["ifname"] for link in self.host.ip_json("link", "show")}


def name_server(word):
    """As the C library reads the line that wg-quick has resolvconf write; None: it skips that line."""
    try:
        return str(ipaddress.ip_address(word if ":" in word else socket.inet_aton(word)))
    except (OSError, ValueError):
        return None


def hosts(words):
    """The addresses among the words, without their lengths, each once, as Hopwire uses them."""
    return list(dict.fromkeys(str(ipaddress.ip_interface(word).ip)
                              for word in words.split() if "/" in word))


def decoded(base64_text):
    return base64.b64decode(base64_text).decode("utf-8", "replace")


def table(quick):
    route = quick.get("route")
    return re.search(r" table (\d+)", route)[1] if route else quick["table"] or "auto"


def truth(quick):
    """wg-quick's, `wg`'s and `ip`'s answers as config_print writes them; the port only where one was
    given."""
    lines = {"addresses": " ".join(hosts(quick["addresses"])),
             "dns": " ".join(dict.fromkeys(map(name_server, quick["dns"].split()))),
             "domains": quick["domains"], "mtu": quick.get("mtu", "0"), "table": table(quick)}
    peers, own = {}, None
    for line in decoded(quick["shown"]).splitlines():
        key, _, value = line.partition(" = ")
        if key == "PublicKey":
            own = peers[value] = {"preshared_key": "A" * 43 + "=", "allowed_ips": "", "endpoint": "",
                                  "keepalive": "0"}
        elif key == "PrivateKey":
            lines["private_key"] = value
        elif key == "ListenPort":
            lines["listen_port"] = value
        elif key == "AllowedIPs":
            own["allowed_ips"] = " ".join(sorted(value.split(", ")))
        elif key == "Endpoint":
            # A newer wireguard-go (Debian 13's) shows the zone, an older one does not.
            own["endpoint"] = re.sub(r"^\[::ffff:([\d.]+)\]|%[\w.-]+", r"\1", value)
        elif key == "PresharedKey":
            own["preshared_key"] = value
        elif key == "PersistentKeepalive":
            own["keepalive"] = value
    return lines, peers


def meaning(lines):
    """config_print's lines in the same form."""
    own, peers = {}, {}
    into = own
    for line in lines:
        key, _, value = line.partition("=")
        if key == "peer":
            into = peers[value] = {}
        else:
            into[key] = stand_in(value) if key == "endpoint" else value
    taken = set()
    for peer in reversed(peers.values()):  # of two peers with one prefix the later one takes it
        prefixes = [prefix for prefix in peer["allowed_ips"].split() if prefix not in taken]
        taken.update(prefixes)
        peer["allowed_ips"] = " ".join(prefixes)
    return own, peers


def stand_in(endpoint):
    return re.sub(r"^[\w.-]*[a-z][\w.-]*(?=:\d+$)", STAND_IN, endpoint)


def clamped(key):
    """As Curve25519 uses it, and as wireguard-go shows it."""
    raw = bytearray(base64.b64decode(key))
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return base64.b64encode(raw).decode()


def same_zones(peers, expected_peers, interfaces):
    """Hopwire's zones by name as `wg` has them; gone where a wireguard-go shows none (Debian 12's)."""
    for key, peer in peers.items():
        has_zone = "%" in expected_peers.get(key, {}).get("endpoint", "")
        peer["endpoint"] = re.sub(r"%(\d+)", lambda zone: f"%{interfaces[zone[1]]}" if has_zone else "",
                                  peer["endpoint"])


def compare(what, text, lines, quick, interfaces):
    """Fails where wg-quick and `wg` accept a file, and Hopwire does not or takes it for another."""
    own, peers = meaning(lines)
    expected, expected_peers = truth(quick)
    same_zones(peers, expected_peers, interfaces)
    if not re.search(r"(?im)^\s*listen\s*port\s*=\s*[^\s#]", decoded(quick["wg"])):
        expected["listen_port"] = own.get("listen_port")
    own["private_key"] = clamped(own["private_key"])
    # What only one of the two orders or names differently.
    expected["domains"] = " ".join(dict.fromkeys(expected["domains"].split()))
    own["domains"] = " ".join(dict.fromkeys(own.get("domains", "").split()))
    tap.equal((own, peers), (expected, expected_peers), f"{what}:\n{text}\n")


def judge(readers, named_texts):
    """For (name, text): Hopwire's meaning against theirs; how many both accepted."""
    paths = [readers.write(text) for _, text in named_texts]
    answers, messages = readers.hopwire(paths)
    interfaces, both = readers.interfaces(), 0
    for (name, text), path, lines, quick in zip(named_texts, paths, answers, readers.quick(paths)):
        if not quick:
            continue
        if lines == ["refused"]:
            said = [line for line in messages.splitlines() if path + ":" in line and "error" in line]
            is_known = any("has no private key" in line or "all zero" in line for line in said)
            tap.check(is_known, f"{name} is refused, wg-quick and wg take it: {said}\n{text}")
            continue
        compare(name, text, lines, quick, interfaces)
        both += 1
    return both


def corpus():
    return [(os.path.basename(path)[:-5], read(path))
            for path in sorted(glob.glob(os.path.join(CORPUS, "*.conf")))]


@tap.test
def I1_each_file_of_the_corpus_means_what_stands_beside_it():
    """NAME.meaning has config_print's lines, or `refused` and parts of the sentences."""
    files = corpus()
    tap.check(len(files) >= 40, f"shapes: {len(files)}")
    for name, text in files:
        path = os.path.join(CORPUS, name + ".conf")
        (lines,), messages = readers.hopwire([path])
        expected = read(path[:-5] + ".meaning").splitlines()
        tap.equal(lines, [line for line in expected if not line.startswith("says ")], name)
        for line in expected:
            if line.startswith("says "):
                tap.contains(messages, line[5:], f"what {name} is told")


@tap.test
def I1_what_wg_quick_and_wg_make_of_the_corpus():
    both = judge(readers, corpus())
    tap.check(both >= 30, f"files that all three take: {both}")
    # The hooks are another matter: without them those files mean the same too.
    bare = [(name, "".join(line for line in text.splitlines(True) if not HOOKS.match(line)))
            for name, text in corpus() if HOOKS.search(text)]
    tap.equal(judge(readers, bare), len(bare), "files of which only the hooks are left out")


def public_of(private):
    return subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True,
                          check=True).stdout.strip()


def change_line(rng, line):
    """One line, written otherwise; `wg` and wg-quick decide what it means."""
    key, equals, value = line.partition("=")
    if not equals:
        return rng.choice([line, line.upper(), line.lower(), f"  {line}", line + " # x", line + "\t"])
    name = key.strip()
    is_list = name.lower() in ("address", "dns", "allowedips")
    choices = [f"{name}={value}", f"\t{name} \t=\t{value.strip()} ", f"{name.upper()} ={value}",
               f"{name.lower()}= {value}", f"{line} # a comment", f"{line}\r", f"{name} =",
               f"{line}\n{line}", f"{line}\n\n"]
    if is_list:
        choices += [f"{name} = {value.replace(',', ' , ')}", f"{name} = {value.replace(' ', '')}",
                    "\n".join(f"{name} = {part.strip()}" for part in value.split("#")[0].split(","))]
    if name.lower() in ("address", "dns"):
        choices += [f"{name} = {value.replace(',', ' ')}", f"{line},"]
    if name.lower() == "endpoint":
        choices += [line.replace(":", " : "), line.replace("[", "").replace("]", ""),
                    f"{name} = 192.0.2.7:007", f"{name} = ::ffff:192.0.2.7:7", f"{name} = 192.0.775:8"]
    if name.lower() == "allowedips":
        choices += [f"{name} = 10.3.3.3/9, 10.3.3.3", f"{name} = 10.1.0.0 / 16 ,fd00::1/0 64",
                    f"{name} = ::ffff:10.1.1.1/100"]
    if name.lower() == "persistentkeepalive":
        choices += [f"{name} = off", f"{name} = 0", f"{name} = 65535", f"{name} = 0007", f"{name} = Off"]
    return rng.choice(choices)


def changed(rng, text):
    """Some lines otherwise, sections in another order or twice, one line less, other line ends."""
    parts = re.split(r"(?m)^(?=\s*\[)", text)
    key = re.search(r"(?im)^\s*PrivateKey\s*=\s*([\w+/]{43}=)", text)
    if key and rng.randrange(8) == 0:  # itself, among the nodes of a mesh
        parts.append(f"[Peer]\nPublicKey = {public_of(key[1])}\nAllowedIPs = 10.0.0.0/8, fd00::/8\n")
    for _ in range(rng.randrange(1, 4)):
        what = rng.randrange(6)
        if what == 0 and len(parts) > 2:
            rng.shuffle(parts)
        elif what == 1:
            parts.append(rng.choice(parts))
        else:
            which = rng.randrange(len(parts))
            lines = parts[which].splitlines()
            if lines:
                at = rng.randrange(len(lines))
                if what == 2 and len(lines) > 2:
                    del lines[at]
                else:
                    lines[at] = change_line(rng, lines[at])
                parts[which] = "\n".join(lines) + "\n"
    parts = [part if part.endswith("\n") else part + "\n" for part in parts]
    text = "".join(parts)
    return rng.choice([text, text, text.rstrip("\n"), text.replace("\n", "\r\n")])


@tap.test
def I1_random_changes_mean_what_wg_quick_and_wg_make_of_them():
    seed = int(os.environ.get("HOPWIRE_TEST_SEED") or hex(random.getrandbits(32)), 16)
    print(f"# HOPWIRE_TEST_SEED={seed:#x}", flush=True)
    rng = random.Random(seed)
    texts = [text for _, text in corpus()]
    both = judge(readers, [(f"change {i}", changed(rng, rng.choice(texts)))
                           for i in range(CHANGED_FILES)])
    print(f"# {both} of {CHANGED_FILES} were taken by all three")
    tap.check(both > CHANGED_FILES // 4, f"changes that all three take: {both}")


@tap.test
def I1_the_command_that_closes_a_file_to_others_works_as_it_stands():
    """Whatever the file is called; of a name that does not fit into the sentence there is no command."""
    host, text = readers.host, read(os.path.join(CORPUS, "crlf.conf"))
    for name in ("plain.conf", "two words.conf", "it's $HOME.conf", "-rf.conf", "a;b&c.conf",
                 'say "hi" `id`.conf', "zürich.conf", "x" * 240 + ".conf"):
        path = os.path.join(host.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

        def told():
            argument = os.path.join(".", name) if name[0] == "-" else name
            result = host.run("sh", "-c", 'cd "$0" && "$1" check "$2"', host.dir, hopwire_binary(),
                              argument, check=False)
            return [line for line in result.stderr.splitlines() if "others can read" in line]
        (line,) = told()
        _, has_command, command = line.partition("; run: ")
        if not has_command:
            tap.check(len(name) > 200, f"a command for {name}: {line}")
            tap.contains(line, "let only its owner (chmod 600)", "what to do by hand")
            continue
        host.run("sh", "-c", f'cd "$0" && {command}', host.dir)
        tap.equal(told(), [], f"what is said after {command}")


@tap.test
def I1_an_endpoint_that_only_its_interface_tells_is_reached():
    relay, client, own = lab.host("relay"), lab.host("client"), Key()
    lab.link(client, "eth0", relay, "eth0")

    def on_link():
        addresses = relay.ip_json("-6", "addr", "show", "dev", "eth0")[0]["addr_info"]
        return [address["local"] for address in addresses
                if address["scope"] == "link" and not address.get("tentative")]
    there = wait_until(on_link, 10, "the relay's link-local address")[0]
    interface = Interface("wg0", Key(), ["10.5.0.1/24"]).peer(own, ["10.5.0.2/32"])
    WireguardGo(relay, interface)
    hopwire = Hopwire(client, "plain")
    hopwire.up(text=sections(
        ("Interface", {"PrivateKey": own.private, "Address": "10.5.0.2/24"}),
        ("Peer", {"PublicKey": interface.key.public, "Endpoint": f"[{there}%eth0]:51820",
                  "AllowedIPs": "10.5.0.0/24"})))
    try:
        wait_until(lambda: client.ping("10.5.0.1"), 20, "an answer through the tunnel")
    finally:
        hopwire.down()


if __name__ == "__main__":
    try:
        hopwire_binary()
        if not subprocess.run(["sh", "-c", "command -v wg-quick wg"], capture_output=True).stdout:
            raise tap.Skip("wg-quick is not installed")
        reexec_unprivileged()
        with Lab() as lab:
            readers = Readers(lab)
            tap.main()
    except (NotPossible, tap.Skip) as why:
        tap.skip_all(why)
