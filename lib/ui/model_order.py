"""Changing the order of models: dragged by mouse or finger, moved by keys, or sent to a place by its number.

Streamlit's tables cannot have their rows moved, and the sortable lists there are draw in a frame of their own that knows
neither the theme nor a keyboard, so the list is a small component of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lib.errors import ModeldeckError
from lib.registry import Model
from lib.registry.ordering import plan_order
from lib.ui import format as fmt
from lib.ui import model_bulk
from lib.ui.context import Page

TITLE = "Change the order"
_PENDING, _LIST = "models-order", "models-order-list"
_HTML = """<p class="how" id="how"></p><ol></ol><div class="live" role="status"></div>"""
_CSS = """
:host { display: block; font: 0.875rem var(--st-font); color: var(--st-text-color); }
.how { margin: 0 0 0.5rem; }
.how, .note, li::before { color: color-mix(in srgb, var(--st-text-color) 68%, var(--st-background-color)); font-size: 0.8125rem; }
.live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
ol {
    position: relative; list-style: none; margin: 0; padding: 0;
    max-height: min(55vh, 32rem); overflow-y: auto; overscroll-behavior: contain;
    border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); counter-reset: place;
}
li {
    display: flex; align-items: center; gap: 0.5rem; box-sizing: border-box; height: 2.5rem; padding-right: 0.75rem;
    background: var(--st-background-color); border-bottom: 1px solid var(--st-border-color); counter-increment: place;
}
li:last-child { border-bottom: 0; }
li::before { content: counter(place); order: 1; flex: none; min-width: 1.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.handle {
    order: 0; flex: none; width: 2.25rem; height: 100%; padding: 0; border: 0; background: none; color: inherit; cursor: grab;
    touch-action: none; border-radius: var(--st-base-radius);
}
.handle::before {
    content: ""; display: block; width: 10px; height: 16px; margin: auto; opacity: 0.55;
    background: radial-gradient(circle, currentColor 1.4px, transparent 1.8px) 0 0 / 5px 5.33px;
}
.handle:hover::before, .handle:focus-visible::before { opacity: 1; }
.handle:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -3px; }
.name { order: 2; flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.note { order: 3; flex: 0 1 auto; max-width: 45%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
li.lifted { position: relative; z-index: 2; background: var(--st-secondary-background-color); box-shadow: 0 2px 10px rgb(0 0 0 / 0.25); }
li.lifted .handle { cursor: grabbing; }
.line {
    position: absolute; left: 0; right: 0; z-index: 1; height: 3px; margin-top: -2px; background: var(--st-primary-color);
    pointer-events: none;
}
"""
_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
    const list = parentElement.querySelector("ol"), live = parentElement.querySelector(".live");
    parentElement.querySelector(".how").textContent = data.how;
    list.setAttribute("aria-label", data.name);
    const items = () => [...list.querySelectorAll("li")];
    const handle = item => item.querySelector(".handle");
    const same = items().map(item => item.dataset.id).join() === data.rows.map(row => row.id).join();
    const focused = list.getRootNode().activeElement?.closest?.("li")?.dataset.id;
    if (!same) {
        list.replaceChildren(...data.rows.map(row => {
            const item = document.createElement("li"), grip = document.createElement("button");
            const name = document.createElement("span"), note = document.createElement("span");
            item.dataset.id = row.id;
            Object.assign(grip, { type: "button", className: "handle", tabIndex: -1 });
            grip.setAttribute("aria-label", `Move ${row.name}`);
            grip.setAttribute("aria-pressed", "false");
            grip.setAttribute("aria-describedby", "how");
            Object.assign(name, { className: "name", textContent: row.name, title: row.name });
            Object.assign(note, { className: "note", textContent: row.note });
            item.append(grip, name, note);
            return item;
        }));
        const at = items().find(item => item.dataset.id === focused);
        if (at) rove(at, true);
        else if (list.firstElementChild) rove(list.firstElementChild, false);
    }
    function rove(item, focus) {
        for (const other of list.querySelectorAll('.handle[tabindex="0"]')) other.tabIndex = -1;
        handle(item).tabIndex = 0;
        if (focus) { handle(item).focus({ preventScroll: true }); item.scrollIntoView({ block: "nearest" }); }
    }
    const place = item => items().indexOf(item);
    const put = (item, to) => {
        const others = items().filter(other => other !== item);
        list.insertBefore(item, others[to] ?? null);
    };
    const say = (item, words) => {
        live.textContent = `${item.querySelector(".name").textContent}, place ${place(item) + 1} of ${items().length}${words}`;
    };
    const tell = (item, from) => {
        const to = place(item);
        if (to !== from) setTriggerValue("moved", { id: Number(item.dataset.id), to });
    };

    // Keys: arrows walk, Space lifts and drops, arrows carry what is lifted, Escape puts it back.
    let carried = null, origin = 0;
    const drop = commit => {
        const item = carried;
        carried = null;
        item.classList.remove("lifted");
        handle(item).setAttribute("aria-pressed", "false");
        if (!commit) put(item, origin);
        rove(item, true);
        say(item, commit ? ": dropped" : ": put back");
        if (commit) tell(item, origin);
    };
    list.onkeydown = event => {
        const item = event.target.closest("li");
        if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
        const at = place(item), last = items().length - 1;
        const to = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[event.key];
        if (to !== undefined) {
            const next = Math.max(0, Math.min(last, to));
            if (carried) { put(carried, next); rove(carried, true); say(carried, ""); }
            else rove(items()[next], true);
        } else if (event.key === " " || event.key === "Enter") {
            if (carried) drop(true);
            else {
                [carried, origin] = [item, at];
                item.classList.add("lifted");
                handle(item).setAttribute("aria-pressed", "true");
                say(item, ": lifted. Arrows move it, Space drops it, Escape puts it back.");
            }
        } else if (event.key === "Escape" && carried) {
            drop(false);
            event.stopPropagation();
        } else {
            if (event.key === "Tab" && carried) drop(true);
            return;
        }
        event.preventDefault();
    };

    // The mouse and the finger: the row follows, a line shows where it will stand, and near an edge the list scrolls on.
    list.onpointerdown = event => {
        const grip = event.target.closest(".handle");
        if (!grip || event.button > 0 || carried) return;
        event.preventDefault();
        const item = grip.closest("li"), from = place(item), count = items().length, height = item.offsetHeight;
        const line = document.createElement("div");
        line.className = "line";
        let y = event.clientY, to = from, frame = 0;
        const [y0, scroll0] = [y, list.scrollTop];
        const follow = () => {
            const box = list.getBoundingClientRect(), edge = 36;
            const over = y < box.top + edge ? y - box.top - edge : y > box.bottom - edge ? y - box.bottom + edge : 0;
            list.scrollTop += Math.max(-24, Math.min(24, over / 2));
            const moved = y - y0 + list.scrollTop - scroll0;
            to = Math.max(0, Math.min(count - 1, Math.round((from * height + moved) / height)));
            item.style.transform = `translateY(${Math.max(-from * height, Math.min((count - 1 - from) * height, moved))}px)`;
            line.style.top = `${(to > from ? to + 1 : to) * height}px`;
            line.hidden = to === from;
            frame = requestAnimationFrame(follow);
        };
        const end = commit => {
            cancelAnimationFrame(frame);
            grip.onpointermove = grip.onpointerup = grip.onpointercancel = null;
            item.style.transform = "";
            item.classList.remove("lifted");
            line.remove();
            if (commit && to !== from) { put(item, to); say(item, ": dropped"); }
            rove(item, true);
            if (commit) tell(item, from);
        };
        grip.setPointerCapture(event.pointerId);
        grip.onpointermove = moved => { y = moved.clientY; };
        grip.onpointerup = () => end(true);
        grip.onpointercancel = () => end(false);
        item.classList.add("lifted");
        list.append(line);
        follow();
    };
}
"""


def dialog(page: Page, shown: Sequence[Model], models: Sequence[Model]) -> None:
    """Open the dialog that puts the shown models, everyone's or else one's own, in another order."""
    owner = None if any(model.owner_id is None for model in shown) else page.principal.user_id
    among = [model for model in models if model.owner_id == owner]
    ids = {model.id for model in shown}
    listed = [model for model in among if model.id in ids]
    st.session_state.pop(_PENDING, None)

    @st.dialog(TITLE, position="right", width="medium", icon=":material/swap_vert:")
    def draw() -> None:
        form(page, listed, among)

    draw()


def form(page: Page, listed: Sequence[Model], among: Sequence[Model]) -> None:
    """Draw the list as it would be, the move by number, and what saves it."""
    if len(listed) < 2:
        st.info("There is one model or none to put in order here. Change the filters to see more.", icon=":material/swap_vert:")
        return
    if len(listed) < len(among):
        st.caption(f"The {len(listed):,} models that your filters show, in the places they have among all {len(among):,}.")
    by_id = {model.id: model for model in listed}
    st.session_state.setdefault(_PENDING, list(by_id))
    _list([by_id[model_id] for model_id in st.session_state[_PENDING]])
    _by_number(by_id)
    plan = plan_order(among, st.session_state[_PENDING])
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save the order", type="primary", icon=":material/check:", disabled=not plan.edits):
            try:
                st.session_state[model_bulk.UNDO] = page.registry.apply(plan)
            except ModeldeckError as error:
                st.error(f"Nothing was changed. {fmt.literal(str(error))}", icon=":material/error:")
                return
            st.rerun()
        if plan.edits:
            st.caption(f"{plan.models:,} model{'s' if plan.models > 1 else ''} will stand elsewhere.")


def move(ids: Sequence[int], model_id: int, to: int) -> list[int]:
    """Return the ids with one of them at a place counted from 0, as near as there is one.

    >>> move([1, 2, 3, 4], 4, 1), move([1, 2], 1, 9), move([1, 2], 3, 0)
    ([1, 4, 2, 3], [2, 1], [1, 2])
    """
    if model_id not in ids:
        return list(ids)
    others = [each for each in ids if each != model_id]
    others.insert(max(0, min(to, len(others))), model_id)
    return others


def _list(models: Sequence[Model]) -> None:
    mount = st.components.v2.component("modeldeck_order", html=_HTML, css=_CSS, js=_JS)
    rows = [{"id": m.id, "name": m.display_name, "note": m.provider.display_name + ("" if m.is_active else " · off")} for m in models]
    how = "Drag a row by its handle. With the keyboard: arrows walk, Space lifts and drops, arrows move what is lifted."
    mount(key=_LIST, data={"rows": rows, "name": "Models in order", "how": how}, on_moved_change=_dropped)


def _dropped() -> None:
    moved: Any = st.session_state[_LIST].moved
    if moved:
        st.session_state[_PENDING] = move(st.session_state[_PENDING], int(moved["id"]), int(moved["to"]))


def _by_number(by_id: dict[int, Model]) -> None:
    pending = st.session_state[_PENDING]
    with st.form("models-order-number", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Model", pending, format_func=lambda model_id: by_id[model_id].display_name, width=260, key=f"{_PENDING}-model")
        st.number_input("Place", 1, len(pending), 1, width=110, key=f"{_PENDING}-place")
        st.form_submit_button("Move", on_click=_sent)


def _sent() -> None:
    chosen, place = st.session_state[f"{_PENDING}-model"], st.session_state[f"{_PENDING}-place"]
    st.session_state[_PENDING] = move(st.session_state[_PENDING], chosen, int(place) - 1)
