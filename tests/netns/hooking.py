# SPDX-License-Identifier: MIT
"""What the scenarios of hooks share: commands that tell a story."""

import os

from peers import Hopwire
from scene import scene

KINDS = ("PreUp", "PostUp", "PreDown", "PostDown")


def story_path():
    return os.path.join(scene.client.dir, "story")


def story():
    if not os.path.exists(story_path()):
        return []
    with open(story_path()) as file:
        return file.read().splitlines()


def forget():
    if os.path.exists(story_path()):
        os.remove(story_path())


def tell(word):
    """A command that adds a line to the story: the word, and whether the interface is there."""
    return (f"echo {word} $(test -e /sys/class/net/%i && echo there || echo gone) "
            f">> {story_path()}")


def network_text(*lines, **changes):
    """The two-hop network with these lines of hooks in [Network]."""
    forget()
    text = scene.world.client_text(**changes)
    return text.replace("[Network]\n", "[Network]\n" + "".join(line + "\n" for line in lines), 1)


def all_kinds(mark=""):
    return [f"{kind} = {tell(kind + mark + number)}" for number in "12" for kind in KINDS]


WHOLE = ["PreUp1 gone", "PreUp2 gone", "PostUp1 there", "PostUp2 there", "PreDown1 there",
         "PreDown2 there", "PostDown1 gone", "PostDown2 gone"]


def record():
    return scene.client.run_path("hopwire", "multihop.hooks")


def up(text, *options, check=True):
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    result = hopwire.command("up", *options, hopwire.write(text), check=check)
    hopwire.is_up = result.returncode == 0
    return hopwire, result


def has_seals():
    """Whoever runs the tests may set the attribute that tells root's own files from others'."""
    path = scene.client.write("seal", "")
    try:
        os.setxattr(path, "trusted.hopwire", b"x")
    except OSError:
        return False
    return True
