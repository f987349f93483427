"""Real error responses get the class and the verdict on retrying that people gave them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.errors import ProviderError
from lib.providers import classify

_DIR = os.environ.get("CONFORMANCE_DIR")
if not _DIR:
    pytest.skip("CONFORMANCE_DIR is not set: no recorded errors to classify", allow_module_level=True)

WANTED = 0.97


def classified(row: dict[str, Any]) -> ProviderError:
    body, said = row["body"], row["exception"]
    raw = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    exception = type(said["type"].rpartition(".")[2], (Exception,), {})(said["message"]) if said else None
    return classify(row["status"], row["headers"], raw, provider=row["provider"], exception=exception)


def test_classes_and_retries_agree_with_the_labels(report: Callable[[str], None]) -> None:
    lines = (Path(_DIR or "") / "errors" / "provider_errors.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    errors = [(row, classified(row)) for row in rows]
    wrong_class = [row["id"] for row, error in errors if error.kind not in row["label"]["accept_classes"]]
    wrong_retry = [row["id"] for row, error in errors if error.retryable != row["label"]["retryable"]]
    accuracy, verdicts = 1 - len(wrong_class) / len(rows), 1 - len(wrong_retry) / len(rows)
    report(f"{len(rows)} recorded errors: class {accuracy:.3f}, retryable {verdicts:.3f} (wanted: {WANTED} each)")
    if wrong_class or wrong_retry:
        report(f"  another class than the label's: {wrong_class}; another verdict on retrying: {wrong_retry}")

    assert accuracy >= WANTED
    assert verdicts >= WANTED
