"""Playground: pick a model, talk to it, and see what each answer took and cost."""

import streamlit as st

from lib.access import Role
from lib.chat import Message
from lib.registry import pickable
from lib.services import ChatCall
from lib.ui import answer as answers
from lib.ui import key_help, parameters, picker
from lib.ui.capabilities import badges
from lib.ui.context import guard
from lib.ui.watch import rerun_when

page = guard(Role.MEMBER)
revision = page.services.revision()
turns: list[tuple[str, answers.Answer]] = st.session_state.setdefault("playground-turns", [])

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Playground", anchor=False, width="stretch")
    settings_slot = st.container(width="content")
    new_chat_slot = st.container(width="content")

switched_on = page.registry.models(active=True)
model = picker.pick(page.services, page.principal, pickable(switched_on), key_help.lacking(switched_on))
rerun_when(lambda: page.services.revision() != revision)
if model is None:
    st.info("No model is usable yet. Add a provider key, then switch a model on.", icon=":material/key:")
    key_help.link(page.services, page.principal)
    st.stop()
with settings_slot:
    chosen = parameters.popover(model)
st.markdown(badges(model.capabilities))
if model.provider.kind == "demo":
    st.caption("Demo model: answers are made up on this machine, nothing is sent anywhere and nothing is charged.")

for asked, answer in turns:
    st.chat_message("user", avatar=":material/person:").markdown(asked)
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        st.caption(answer.model_name)
        answers.finished(answer)
        answers.footer(answer)
        if answer.needs_key:
            key_help.link(page.services, page.principal)

suggestions = st.empty()
prompt = st.chat_input(f"Message {model.display_name}", key="prompt")
if not turns and not prompt:
    prompt = suggestions.pills(
        "Try one of these",
        ["Explain tokens to a ten-year-old", "Write a haiku about caching", "List three uses of a fallback model"],
        key="suggestion",
    )
with new_chat_slot:
    if st.button("New chat", icon=":material/add_comment:", disabled=not turns and not prompt):
        turns.clear()
        st.rerun()
if prompt:
    suggestions.empty()
    history = [m for before, was in turns if was.text for m in (Message("user", before), Message("assistant", was.text))]
    answer = answers.Answer(model.display_name)
    turns.append((prompt, answer))
    st.chat_message("user", avatar=":material/person:").markdown(prompt)
    with st.chat_message("assistant", avatar=":material/smart_toy:"):
        st.caption(model.display_name)
        call = ChatCall(model=model.model_key, messages=[*history, Message("user", prompt)], source="playground", **chosen)
        answers.ask(answer, lambda: page.services.chat(page.principal, call))
        answers.footer(answer)
        if answer.needs_key:
            key_help.link(page.services, page.principal)
