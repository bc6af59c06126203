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
import subprocess

import tap
from lab import Lab, NotPossible, reexec_unprivileged, wait_until
from peers import Hopwire, Interface, Key, WireguardGo, hopwire_binary, sections

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(os.path.dirname(HERE), "corpus", "wg-quick")
CHANGED_FILES = 120
STAND_IN = "192.0.2.250"  # for a name: `wg` would ask for its address
HOOKS = re.compile(r"^\s*(Pre|Post)(Up|Down)\s*=|^\s*SaveConfig\s*=\s*true", re.I | re.M)

# wg-quick's own functions read the file; what follows them would start something.
QUICK = """
source <(sed '/^# ~~ function override insertion point ~~/,$d' "$(command -v wg-quick)")
set +e
while read -r file; do
    echo "file=$file"
    ( parse_options "$file" || exit
      echo "addresses=${ADDRESSES[*]}"; echo "dns=${DNS[*]}"; echo "domains=${DNS_SEARCH[*]}"
      echo "mtu=$MTU"; echo "table=$TABLE"
      echo "wg=$(base64 -w0 <<< "$WG_CONFIG")" ) 2>/dev/null || echo refused
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
        """For each a dict of wg-quick's variables, or None: refused."""
        result = self.host.run("bash", "-c", QUICK, "wg-quick", input="\n".join(paths) + "\n")
        answers = []
        for part in result.stdout.split("file=")[1:]:
            lines = dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line)
            answers.append(lines if "wg" in lines else None)
        return answers

    def wg(self, text):
        """What `wg showconf` says after `wg setconf`, or None: refused."""
        tried = self.host.run("wg", "setconf", "wgt", "/dev/stdin", input=text, check=False,
                              env={"WG_ENDPOINT_RESOLUTION_RETRIES": "0"})
        if tried.returncode != 0:
            return None
        return self.host.run("wg", "showconf", "wgt").stdout


def numbers(words):
    """Addresses without their lengths, each once, as Hopwire uses them."""
    return list(dict.fromkeys(str(ipaddress.ip_address(word.split("/")[0])) for word in words.split()))


def truth(quick, shown):
    """wg-quick's and `wg`'s answers as config_print writes them; the port only where one was given."""
    lines = {"addresses": " ".join(numbers(quick["addresses"])),
             "dns": " ".join(dict.fromkeys(quick["dns"].split())), "domains": quick["domains"],
             "mtu": str(int(quick["mtu"] or 0)), "table": quick["table"] or "auto"}
    peers, own = {}, None
    for line in shown.splitlines():
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
            into[key] = re.sub(r"%\d+", "", stand_in(value)) if key == "endpoint" else value
    return own, peers


def stand_in(endpoint):
    return re.sub(r"^[\w.-]*[a-z][\w.-]*(?=:\d+$)", STAND_IN, endpoint)


def without_names(text):
    return re.sub(r"(?im)^(\s*endpoint\s*=\s*)[\w.-]*[a-z][\w.-]*(\s*:)", rf"\g<1>{STAND_IN}\2", text)


def clamped(key):
    """As Curve25519 uses it, and as wireguard-go shows it."""
    raw = bytearray(base64.b64decode(key))
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return base64.b64encode(raw).decode()


def compare(what, text, lines, quick, shown, port_given):
    """Fails where wg-quick and `wg` accept a file, and Hopwire does not or takes it for another."""
    own, peers = meaning(lines)
    expected, expected_peers = truth(quick, shown)
    if not port_given:
        expected["listen_port"] = own.get("listen_port")
    own["private_key"] = clamped(own["private_key"])
    # What only one of the two orders or names differently.
    expected["domains"] = " ".join(dict.fromkeys(expected["domains"].split()))
    own["domains"] = " ".join(dict.fromkeys(own.get("domains", "").split()))
    tap.equal((own, peers), (expected, expected_peers), f"{what}:\n{text}\n")


def judge(readers, named_texts, is_random=False):
    """For (name, text): Hopwire's meaning against theirs; how many both accepted."""
    paths = [readers.write(text) for _, text in named_texts]
    answers, messages = readers.hopwire(paths)
    both = 0
    for (name, text), path, lines, quick in zip(named_texts, paths, answers, readers.quick(paths)):
        if not quick:
            continue
        wg_text = without_names(base64.b64decode(quick["wg"]).decode("utf-8", "replace"))
        shown = readers.wg(wg_text)
        if shown is None:
            continue
        if lines == ["refused"]:
            said = [line for line in messages.splitlines() if path + ":" in line and "error" in line]
            is_known = any("not built yet" in line or "has no private key" in line or
                           "all zero" in line for line in said)
            tap.check(is_known, f"{name} is refused, wg-quick and wg take it: {said}\n{text}")
            continue
        port_given = re.search(r"(?im)^\s*listen\s*port\s*=\s*[^\s#]", wg_text)
        compare(name, text, lines, quick, shown, port_given)
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
