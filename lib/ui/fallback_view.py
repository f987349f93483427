"""The playground without the database: the built-in models, marked as the fallback they are, with nothing kept."""

from __future__ import annotations

import streamlit as st

from lib.chat import Message
from lib.errors import StoreUnavailable
from lib.logs import get_logger
from lib.registry import Model
from lib.services import ChatCall
from lib.services.fallback import Fallback
from lib.settings import Settings
from lib.ui import answer as answers
from lib.ui import parameters
from lib.ui.capabilities import badges
from lib.ui.format import literal
from lib.ui.picker import CHOSEN, label
from lib.ui.problems import check_again

_KEPT = "fallback-turns"
_STRANGERS = " Nobody can be known without the database, so only the demo answers; keys of the settings are not used."


def draw(error: StoreUnavailable, settings: Settings) -> None:
    """Draw the playground with what works without the database, and say what does not."""
    get_logger("pages").warning("database.unavailable", reason=error.reason)
    desk = Fallback(settings)
    st.title("Playground", anchor=False)
    with st.container(border=True, key="fallback-notice"):
        st.markdown(f"**Fallback: built-in models.** {literal(str(error))}")
        st.caption(
            "Nothing here is recorded: no usage, no cost, no conversation, and nothing is learned from failures."
            + ("" if desk.with_keys else _STRANGERS)
        )
        check_again("database-check-again")
    model = _pick(desk)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(badges(model.capabilities))
        chosen = parameters.popover(model)
    turns: list[tuple[str, answers.Answer]] = st.session_state.setdefault(_KEPT, [])
    for asked, answer in turns:
        st.chat_message("user", avatar=":material/person:").markdown(asked)
        with st.chat_message("assistant", avatar=":material/smart_toy:"):
            st.caption(answer.model_name)
            answers.finished(answer)
            answers.footer(answer)
    if prompt := st.chat_input(f"Message {model.display_name}", key="fallback-prompt"):
        history = [m for before, was in turns if was.text for m in (Message("user", before), Message("assistant", was.text))]
        answer = answers.Answer(model.display_name)
        turns.append((prompt, answer))
        st.chat_message("user", avatar=":material/person:").markdown(prompt)
        with st.chat_message("assistant", avatar=":material/smart_toy:"):
            st.caption(model.display_name)
            call = ChatCall(model=model.model_key, messages=[*history, Message("user", prompt)], source="playground", **chosen)
            answers.ask(answer, lambda: desk.chat(call))
            answers.footer(answer)


def _pick(desk: Fallback) -> Model:
    """Draw the built-in catalogue to choose from; a model that is not among it gives way to the default, with a notice."""
    usable = {model.model_key: model for model in desk.models if model.usable}
    asked = st.query_params.get(CHOSEN) or st.session_state.get(CHOSEN)
    if asked and asked not in usable:
        known = next((model for model in desk.models if model.model_key == asked), None)
        name, why = (known.display_name, f"{known.why_not}.") if known else (asked, "It is not among the built-in models.")
        st.info(
            f"{literal(name)} cannot be used here. {literal(why)} {desk.default.display_name} was chosen instead.",
            icon=":material/swap_horiz:",
        )
    first = asked if asked in usable else desk.default.model_key
    key = st.selectbox(
        "Built-in model (fallback)",
        list(usable),
        index=list(usable).index(first),
        format_func=lambda key: label(usable[key]),
        key="fallback-model",
    )
    st.session_state[CHOSEN] = st.query_params[CHOSEN] = key
    others: dict[str, list[str]] = {}
    for model in desk.models:
        if model.why_not is not None:
            others.setdefault(f"{model.provider.display_name}: {model.why_not[:1].lower()}{model.why_not[1:]}", []).append(
                model.display_name
            )
    if others:
        with st.expander(
            f"{sum(map(len, others.values()))} more built-in models, not usable at the moment", icon=":material/deployed_code:"
        ):
            st.markdown("\n".join(f"- **{literal(why)}** – {literal(', '.join(names))}" for why, names in others.items()))
    return usable[key]
