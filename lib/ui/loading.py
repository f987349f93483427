"""A page's shape while its figures are read: grey blocks as high as what is coming, after half a second without it.

Streamlit shows a block only when the wait is long, so nothing flickers where figures come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.ui.charts import HEIGHT as HEIGHT

KPI_ROW = 176
"""How many pixels high a row of headline figures with their trends is."""


@dataclass(frozen=True)
class Card:
    """A place on the page, the title it shows at once, what draws its content, and how many pixels high that is."""

    place: DeltaGenerator
    title: str
    draw: Callable[[], object]
    height: int = HEIGHT


def fill(cards: Sequence[Card]) -> None:
    """Draw every card's title and frame, then one content after the other."""
    with ExitStack() as waiting:
        blocks = []
        for card in cards:
            card.place.markdown(f"**{card.title}**")
            block = ExitStack()
            block.enter_context(card.place.skeleton(height=card.height))
            waiting.push(block)
            blocks.append(block)
        for card, block in zip(cards, blocks, strict=True):
            with card.place:
                card.draw()
            block.close()


def grid(columns: int, min_width: int, contents: Sequence[tuple[str, Callable[[], object]]], *, height: int = HEIGHT) -> None:
    """Draw equal cards in a grid, each a title and what draws its content."""
    with st.grid(columns, min_column_width=min_width, gap="small"):
        places = [st.container(border=True, height="stretch") for _ in contents]
    fill([Card(place, title, draw, height) for place, (title, draw) in zip(places, contents, strict=True)])
