"""What kind of model a name speaks of, for lists that tell nothing but names."""

from __future__ import annotations

import re

_RULES = (
    ("embedding", r"embed|(?<![a-z0-9])(?:bge|e5|gte|minilm|ada-002)(?![a-z0-9])"),
    ("rerank", r"rerank"),
    ("moderation", r"moderation|(?:llama|prompt)-?guard|shieldgemma"),
    ("realtime", r"realtime|(?<![a-z0-9])live(?![a-z0-9])|native-audio"),
    ("video", r"(?<![a-z0-9])(?:sora|veo|kling|wan\d[\d.]*)(?![a-z])"),
    ("image", r"dall-e|stable-diffusion|(?<![a-z0-9])(?:image|imagen|flux|sdxl)(?![a-z0-9])"),
    ("audio", r"whisper|(?<![a-z0-9])(?:tts|stt|audio|transcribe|speech|voice|lyria|orpheus|parakeet)(?![a-z0-9])"),
    ("completion", r"^(?:babbage|davinci|curie|ada)(?![a-z0-9])|text-davinci|turbo-instruct"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _RULES)


def type_by_name(upstream_id: str) -> str:
    """Return "chat", or what else a model of this name is known to be.

    >>> [type_by_name(name) for name in ("gpt-4o", "text-embedding-3-small", "gpt-4o-mini-tts", "o3-deep-research")]
    ['chat', 'embedding', 'audio', 'chat']
    """
    name = upstream_id.lower()
    return next((kind for kind, pattern in _COMPILED if pattern.search(name)), "chat")
