# SPDX-License-Identifier: MIT
"""RULES F7, A7: killed at any point, also of the start that follows a crash, `down` restores the host
and meanwhile nothing leaves for a tunnel's prefix."""

import json
import os

import tap
from lab import HERE
from peers import Hopwire, Key, at, sections
from scene import main, scene

PLACE = "10.91.0.9"
STRICT = "/proc/sys/net/ipv4/conf/uplink/rp_filter"
SWITCH = "/proc/sys/net/ipv4/conf/all/src_valid_mark"
RESOLV_CONF = "# the host's own\nnameserver 192.0.2.1\n"
STEPS_MOST = 200
EARLY_STEPS = 6  # the directory, the lock, sockets: nothing of the host's network


def text(kill_switch, prefixes):
    """A network of one tunnel to nobody, with all that a network changes on the host."""
    return sections(("Network", {"Interface": "hop0", "KillSwitch": kill_switch,
                                 "DNS": "10.91.0.53"}),
                    ("Tunnel one", {"PrivateKey": Key().private,
                                    "Address": "10.91.0.2/32, fd91::2/128"}),
                    ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                              "AllowedIPs": prefixes}))


def read(path):
    with open(path) as file:
        return file.read()


class Host:
    """All that `down` has to restore."""

    def __init__(self):
        client = scene.client
        client.write("resolv.conf", RESOLV_CONF, 0o644)
        client.run("sh", "-c", f"echo 1 > {STRICT}")
        self.network = Hopwire(client, "crash")
        self.before = self.state()

    def state(self):
        switch = scene.client.run("cat", SWITCH).stdout
        run = scene.client.run_path("hopwire")
        left = sorted(os.listdir(run)) if os.path.isdir(run) else []
        left = [name for name in left if name != ".lock"]
        return "\n--\n".join([scene.client.network_state(), switch, f"files {left}",
                              read(os.path.join(scene.client.dir, "resolv.conf"))])

    def start_killed(self, step, configuration):
        """Whether the start got that far; what it was about to do."""
        result = scene.client.run("python3", os.path.join(HERE, "kill_at.py"), step,
                                  self.network.binary, "up", "-f",
                                  self.network.write(configuration), check=False)
        if result.returncode == 77:
            raise tap.Skip("this machine allows no tracing")
        tap.equal(result.returncode, 0, f"step {step}: {result.stdout}{result.stderr}")
        return result.stdout.strip()

    def check_restored(self, what):
        result = self.network.down(check=False)
        tap.equal(result.returncode, 0, f"{what}: down: {result.stderr}")
        tap.same_lines(self.state(), self.before, what)


def check_closed(what):
    """The crashed network's place is not reached by the uplink."""
    way = scene.client.run("ip", "route", "get", PLACE, check=False)
    tap.check("uplink" not in way.stdout, f"{what}: {way.stdout}")


@tap.test
def F7_killed_at_any_point_of_a_start_down_restores_the_host():
    host = Host()
    configuration = text("on", "0.0.0.0/0, ::/0")
    for step in range(1, STEPS_MOST):
        reached = host.start_killed(step, configuration)
        host.check_restored(f"killed at step {step}, before {reached}")
        if reached == "started":
            break
    tap.check(20 < step < STEPS_MOST - 1, f"a start has {step} steps")


@tap.test
def F7_killed_at_any_point_of_the_starts_after_a_crash_down_restores_the_host():
    host = Host()
    crashed = text("off", "10.91.0.0/16, 0.0.0.0/0")
    changed = text("on", "10.91.0.0/16, fd91::/64, ::/0")
    for step in range(EARLY_STEPS, STEPS_MOST):
        host.network.up(text=crashed)
        host.network.kill()
        check_closed("after the crash")
        reached = host.start_killed(step, changed)
        what = f"the next start killed at step {step}, before {reached}"
        check_closed(what)
        if step % 2:
            other = host.start_killed(EARLY_STEPS + step * 7 % 32, crashed)
            what += f", the one after it before {other}"
            check_closed(what)
        host.check_restored(what)
        if reached == "started":
            break
    tap.check(20 < step < STEPS_MOST - 1, f"a start after a crash has {step} steps")


def small(name, prefix):
    hopwire = Hopwire(scene.client, name)
    hopwire.write(sections(("Network", {"Interface": name}),
                           ("Tunnel one", {"PrivateKey": Key().private, "Address": "10.9.0.2/32"}),
                           ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                                     "AllowedIPs": prefix})))
    return hopwire


def path_of(hopwire):
    return os.path.join(scene.client.dir, hopwire.name + ".conf")


@tap.test
def F3_numbers_that_a_killed_start_had_chosen_are_nobody_elses():
    first, second = small("first", "10.91.0.0/16"), small("second", "10.92.0.0/16")
    scene.networks += [first, second]
    for step in range(EARLY_STEPS, STEPS_MOST):
        reached = scene.client.run("python3", os.path.join(HERE, "kill_at.py"), step, first.binary,
                                   "up", "-f", path_of(first), check=False)
        if reached.returncode == 77:
            raise tap.Skip("this machine allows no tracing")
        if os.path.exists(scene.client.run_path("hopwire", "first.state")):
            break
    second.up(path_of(second))
    first.down()
    tap.contains(scene.client.ip("route", "get", "10.92.0.9"), "dev second", "the second's prefix")


@tap.test
def F7_down_in_another_network_namespace_says_where_and_loses_nothing():
    other = scene.lab.host("other")
    same_directory = {"HOPWIRE_RUN_DIR": scene.client.run_path("hopwire")}
    hopwire = small("astray", "10.91.0.0/16")
    scene.networks.append(hopwire)
    hopwire.up(path_of(hopwire))
    hopwire.kill()
    state = read(scene.client.run_path("hopwire", "astray.state"))
    standing = scene.client.network_state()
    for command in (("down", "astray"), ("up", path_of(hopwire))):
        result = other.run(hopwire.binary, *command, env=same_directory, check=False)
        tap.equal(result.returncode, 1, f"{command[0]}: the exit status ({result.stderr})")
        tap.contains(result.stderr, f"{scene.client.ns} hopwire down astray", command[0])
        tap.equal(read(scene.client.run_path("hopwire", "astray.state")), state, "its state")
        tap.same_lines(scene.client.network_state(), standing, "its rules")
    hopwire.down()
    hopwire.up(path_of(hopwire))
    other.run(hopwire.binary, "down", "astray", env=same_directory)
    tap.equal(hopwire.pids(), [], "a daemon that lives is asked, from wherever")


@tap.test
def I6_a_state_of_a_namespace_that_is_gone_hinders_nobody():
    hopwire = small("gone", "10.91.0.0/16")
    scene.networks.append(hopwire)
    path = scene.client.run_path("hopwire", "gone.state")
    for command in (("down", "gone"), ("up", path_of(hopwire))):
        hopwire.up(path_of(hopwire))
        hopwire.kill()
        state = json.loads(read(path))
        hopwire.down()
        state["network_namespace"] = 1
        scene.client.write("run/hopwire/gone.state", json.dumps(state))
        hopwire.command(*command)
    hopwire.is_up = True


@tap.test
def F7_a_relative_run_directory_is_refused():
    hopwire = small("relative", "10.91.0.0/16")
    for command in (("up", path_of(hopwire)), ("down", "relative"), ("status",),
                    ("status", "relative"), ("route", "relative", PLACE)):
        result = scene.client.run(hopwire.binary, *command, env={"HOPWIRE_RUN_DIR": "run"},
                                  check=False)
        tap.equal(result.returncode, 1, f"{command}: the exit status")
        tap.contains(result.stderr, "write the whole path, starting with /", f"{command}")
    tap.equal(hopwire.pids(), [], "daemons")


main(services=False, relays=None)
