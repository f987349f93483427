"""What a reader does on a chart over time: brush it to set the range, or choose one step to see the calls behind it.

Streamlit hands a page neither a click nor a key pressed on a bar, so a component without a picture of its own listens to the chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lib.analytics import Bucket
from lib.ui import filters
from lib.ui.requests_view import lead
from lib.ui.span import Span, label

FRAME = "brushed"
"""Begins the key of the container that holds a chart and its listener; the listener looks for it."""
_HTML = """<div class="steps" role="slider" tabindex="0" aria-valuemin="1" aria-valuenow="1"></div>
"""
_CSS = """
:host { display: block; height: 0; position: relative; }
.steps {
    position: absolute; right: 0; bottom: 16.25rem; z-index: 2; padding: 0.15rem 0.6rem; opacity: 0; pointer-events: none;
    font: 0.8rem var(--st-font); color: var(--st-text-color); background: var(--st-secondary-background-color);
    border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
}
.steps:focus-visible { opacity: 1; outline: 2px solid var(--st-primary-color); }
"""
_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
    const host = parentElement.host ?? parentElement;
    const steps = parentElement.querySelector(".steps");
    const frame = host.closest('[class*="st-key-brushed-"]');
    if (!steps || !frame) return;
    const last = data.labels.length - 1;
    const tell = (verb, from, to) => setTriggerValue("picked", { verb, first: Math.min(from, to), last: Math.max(from, to) });

    // Keys: arrows walk from step to step, Shift with arrows takes more of them, Enter sees the calls or sets the range.
    let [at, anchor] = [last, last];
    const say = () => {
        const [from, to] = [Math.min(at, anchor), Math.max(at, anchor)];
        const words = from === to
            ? `${data.labels[from]}: Enter shows the calls`
            : `${data.labels[from]} to ${data.labels[to]}: Enter sets the range`;
        steps.textContent = words;
        steps.setAttribute("aria-valuetext", words);
        steps.setAttribute("aria-valuenow", at + 1);
    };
    steps.setAttribute("aria-label", `Steps of the chart: ${data.name}`);
    steps.setAttribute("aria-valuemax", last + 1);
    steps.onkeydown = event => {
        const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, Home: 0, End: last }[event.key];
        if (to !== undefined) {
            at = Math.max(0, Math.min(last, to));
            if (!event.shiftKey) anchor = at;
            say();
        } else if (event.key === "Enter") {
            tell(at === anchor ? "calls" : "range", at, anchor);
        } else return;
        event.preventDefault();
    };
    say();

    // The mouse and the finger: a bar stands in the middle of its step, so what a brush covers are the bars whose middle it covers.
    const middle = index => Date.parse(data.times[index] + "Z");
    const nearest = moment => {
        const away = data.times.map((_, i) => Math.abs(middle(i) - moment));
        return away.indexOf(Math.min(...away));
    };
    const parsed = word => Date.parse(word.replace(" ", "T") + (word.length > 10 ? "Z" : ""));
    let tapped = null;
    const clicked = event => {
        const index = event.points?.[0]?.pointIndex ?? event.points?.[0]?.pointNumber;
        if (index === undefined) return;
        if (matchMedia("(hover: none)").matches) tapped = index;  // the first tap shows the figures, as the mouse does by hovering
        else tell("calls", index, index);
    };
    let tapX = null;
    const touched = event => {  // the chart itself tells of a second tap only sometimes
        const x = event.changedTouches[0].clientX;
        if (tapped !== null && Math.abs(x - tapX) < 24 && plot?.contains(event.target)) tell("calls", tapped, tapped);
        tapX = x;
    };
    const brushed = event => {
        if (!event?.range?.x) return;
        const [from, to] = event.range.x.map(parsed).sort((a, b) => a - b);
        const covered = data.times.map((_, i) => i).filter(i => from <= middle(i) && middle(i) <= to);
        if (!covered.length) covered.push(nearest((from + to) / 2));
        if (covered.length <= last) tell("range", covered[0], covered.at(-1));
    };

    let plot = null;
    const leave = () => {
        plot?.removeListener?.("plotly_click", clicked);
        plot?.removeListener?.("plotly_selected", brushed);
    };
    const listen = () => {
        const found = frame.querySelector(".js-plotly-plot");
        if (found === plot || !found?.on) return;
        leave();
        plot = found;
        plot.on("plotly_click", clicked);
        plot.on("plotly_selected", brushed);
    };

    // The legend: the pressed series stands out, the others fade; pressed again, or another, it takes that back.
    const buttons = () => [...frame.querySelectorAll(".deck-legend button")];
    const fade = () => {
        const pressed = buttons().findIndex(one => one.getAttribute("aria-pressed") === "true");
        for (const layer of frame.querySelectorAll(".barlayer, .scatterlayer"))
            [...layer.children].forEach((trace, i) => { trace.style.opacity = pressed < 0 || pressed === i ? "" : "0.12"; });
    };
    const singled = event => {
        const chosen = event.target.closest(".deck-legend button");
        if (!chosen) return;
        for (const one of buttons())
            one.setAttribute("aria-pressed", one === chosen && one.getAttribute("aria-pressed") !== "true");
        fade();
    };
    const watch = new MutationObserver(() => { listen(); fade(); });
    frame.addEventListener("click", singled);
    frame.addEventListener("touchend", touched);
    watch.observe(frame, { childList: true, subtree: true });
    listen();
    return () => {
        watch.disconnect();
        frame.removeEventListener("click", singled);
        frame.removeEventListener("touchend", touched);
        leave();
    };
}
"""


def listen(buckets: Sequence[Bucket], *, key: str, name: str) -> None:
    """Listen to the chart drawn just before in the same container, whose points stand for ``buckets``."""
    mount = st.components.v2.component("modeldeck_brush", html=_HTML, css=_CSS, js=_JS)
    mine = f"{key}-brush"
    mount(
        key=mine,
        data={"name": name, "labels": [label(one) for one in buckets], "times": [f"{one.start:%Y-%m-%dT%H:%M:%S}" for one in buckets]},
        on_picked_change=lambda: follow_up(st.session_state[mine].picked, buckets),
    )


def follow_up(picked: Mapping[str, Any] | None, buckets: Sequence[Bucket]) -> None:
    """Set the range to the steps that were picked, in a callback, and go to their calls when those were asked for."""
    if not picked:
        return
    first, last = int(picked["first"]), int(picked["last"])
    if not 0 <= first <= last < len(buckets):
        return
    filters.set_span(Span.of(buckets[first : last + 1]))
    if picked["verb"] == "calls":
        lead()
