"""Playground: pick a model, talk to it, and see what each answer took and cost."""

import streamlit as st

from lib.access import Role
from lib.chat import Message
from lib.errors import ModeldeckError
from lib.services import ChatCall
from lib.ui import answer as answers
from lib.ui import parameters, picker
from lib.ui.capabilities import badges
from lib.ui.context import guard

page = guard(Role.MEMBER)
revision = page.services.revision()
turns: list[tuple[str, answers.Answer]] = st.session_state.setdefault("playground-turns", [])

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Playground", anchor=False, width="stretch")
    settings_slot = st.container(width="content")
    if st.button("New chat", icon=":material/add_comment:", disabled=not turns):
        turns.clear()
        st.rerun()

models = picker.grouped(page.registry.usable())
model = picker.pick(page.services, page.principal, models)
picker.watch(page.services, revision)
if model is None:
    st.info("No model is usable yet. Add a provider key, then switch a model on.", icon=":material/key:")
    st.page_link("pages/admin/providers.py", label="Add a provider key", icon=":material/hub:")
    st.stop()
with settings_slot:
    chosen = parameters.popover(model)
st.markdown(badges(model.capabilities))
if model.provider.kind == "demo":
    st.caption("Demo model: answers are made up on this machine, nothing is sent anywhere and nothing is charged.")

for prompt, answer in turns:
    st.chat_message("user").markdown(prompt)
    with st.chat_message("assistant"):
        st.caption(answer.model_name)
        answers.finished(answer)
        answers.footer(answer)

suggestion = None
if not turns:
    suggestion = st.pills(
        "Try one of these",
        ["Explain tokens to a ten-year-old", "Write a haiku about caching", "List three uses of a fallback model"],
        key="suggestion",
    )

prompt = st.chat_input(f"Message {model.display_name}", submit_mode="stop") or suggestion
if prompt:
    history = [m for asked, was in turns if was.text for m in (Message("user", asked), Message("assistant", was.text))]
    answer = answers.Answer(model.display_name)
    turns.append((prompt, answer))
    st.chat_message("user").markdown(prompt)
    with st.chat_message("assistant"):
        st.caption(model.display_name)
        try:
            call = ChatCall(model=model.model_key, messages=[*history, Message("user", prompt)], source="playground", **chosen)
            answers.stream(answer, page.services.chat(page.principal, call))
        except ModeldeckError as error:
            answer.problem, answer.stopped = str(error), False
        answers.footer(answer)
    if suggestion:
        st.rerun()
