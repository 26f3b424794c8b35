"""TagResource, UntagResource.

Source: KMS API reference of the two; developer guide, tagging-keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict
from domain.commands.change_key import on_own_key
from domain.commands.create_key import require_room, require_tags, require_unreserved
from domain.commands.rules import CommandRules
from domain.keys.states import require_state
from domain.log.events import KeyTagged, KeyUntagged
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class TagResource:
    key: str
    tags: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class UntagResource:
    key: str
    tag_keys: Sequence[str]


def permissions_to_tag(command: TagResource, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:TagResource", command.key, caller, world)


def permissions_to_untag(command: UntagResource, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:UntagResource", command.key, caller, world)


def tag(command: TagResource, caller: Caller, world: World) -> KeyTagged:
    """Raises InvalidKeyState, InvalidTag (more than 50, counting the tags that the key already has)."""
    key = world.key(command.key, caller.account)
    require_state("TagResource", key.arn, key.state)
    tags = require_tags(command.tags)
    require_room(len({**key.tags, **tags}))
    return KeyTagged(key.id, tags, {**key.tags, **tags})


def untag(command: UntagResource, caller: Caller, world: World) -> KeyUntagged:
    """To remove a tag that does not exist is not an error. Raises InvalidKeyState, InvalidTag."""
    key = world.key(command.key, caller.account)
    require_state("UntagResource", key.arn, key.state)
    require_unreserved(command.tag_keys)
    gone = [name for name in dict.fromkeys(command.tag_keys) if name in key.tags]
    return KeyUntagged(key.id, gone, {name: value for name, value in key.tags.items() if name not in gone})


RULES: CommandRules = {
    TagResource: (permissions_to_tag, tag),
    UntagResource: (permissions_to_untag, untag),
}
