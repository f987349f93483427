"""Capabilities as icons and words."""

from __future__ import annotations

from lib.registry.values import CAPABILITIES as KNOWN
from lib.ui import capabilities
from lib.ui.capabilities import CAPABILITIES


def test_every_capability_of_the_registry_has_an_icon_and_a_label_of_its_own() -> None:
    assert {c.name for c in CAPABILITIES} == set(KNOWN)
    assert len({c.icon for c in CAPABILITIES}) == len({c.label for c in CAPABILITIES}) == len(KNOWN)


def test_icons_leave_out_what_nearly_every_model_can_do() -> None:
    assert capabilities.icons({"streaming", "caching"}) == ""
    assert capabilities.icons({"tools", "vision", "streaming"}) == ":material/visibility: :material/build:"


def test_labels_come_in_the_same_order_whatever_order_they_were_stored_in() -> None:
    assert capabilities.labels(["files", "vision", "no-such"]) == capabilities.labels(("vision", "files")) == ["Vision", "Files"]


def test_badges_carry_the_word_beside_the_icon() -> None:
    assert capabilities.badges({"json"}) == ":gray-badge[:material/data_object: JSON]"
