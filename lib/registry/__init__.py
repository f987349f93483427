"""The registry: which providers and models there are, which of them can be used, and why not."""

from __future__ import annotations

from lib.registry.bulk import BulkChange, BulkPlan, BulkUndo
from lib.registry.draft import DraftModel
from lib.registry.lifecycle import Dependents
from lib.registry.reader import pickable
from lib.registry.registry import Registry
from lib.registry.seeding import SeedResult
from lib.registry.transfer import ImportRefused, Problem
from lib.registry.transfer_plan import ImportPlan, ImportResult
from lib.registry.transfer_write import ImportUndo
from lib.registry.values import CAPABILITIES, Model, Provider

__all__ = [
    "CAPABILITIES",
    "BulkChange",
    "BulkPlan",
    "BulkUndo",
    "Dependents",
    "DraftModel",
    "ImportPlan",
    "ImportRefused",
    "ImportResult",
    "ImportUndo",
    "Model",
    "Problem",
    "Provider",
    "Registry",
    "SeedResult",
    "pickable",
]
