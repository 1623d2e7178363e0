"""What Gradio keeps of a page: the values, nothing more, and not for ever; what it answers is the same."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from explorer.ui import build_app
from explorer.ui.memory.states import PageState, PageStates, keep_states_small


@pytest.fixture
def small() -> gr.Blocks:
    """An app with a component of each kind that ours changes."""
    with gr.Blocks(analytics_enabled=False) as demo:
        count, word = gr.State(0, time_to_live=3600), gr.Textbox("a")
        choice, view = gr.Dropdown(["x", "y"], value="x"), gr.HTML("", html_template="<b></b>", result=None)

        def act(count: int, word: str) -> Any:
            return (
                count + 1,
                gr.update(value=word * 2, interactive=False),
                gr.update(visible=False),
                gr.update(result={"rows": [count] * 100}),
            )

        word.submit(act, [count, word], [count, word, choice, view])
    return demo


def answers(demo: gr.Blocks, state: SessionState, times: int) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return [(await demo.process_api(0, [None, word], state=state))["data"] for word in "abc"[:times]]

    return asyncio.run(all_of_them())


def test_answers_are_those_of_gradio(small: gr.Blocks) -> None:
    assert answers(small, PageState(small), 3) == answers(small, SessionState(small), 3)


def test_nothing_but_the_values_stays(small: gr.Blocks) -> None:
    before = dict(small.default_config.blocks)
    page, theirs = PageState(small), SessionState(small)
    for state in (page, theirs):
        answers(small, state, 3)
    assert list(page.state_data.values()) == [3]
    assert [seconds for seconds, _ in page._state_ttl.values()] == [3600]
    assert (page.config_values, page._changed) == ({}, {})
    assert dict(small.default_config.blocks) == before
    assert theirs.config_values  # or there would be nothing to save


def test_pages_do_not_see_each_other(small: gr.Blocks) -> None:
    pages = PageStates(small)
    answers(small, pages["a"], 2)
    answers(small, pages["b"], 1)
    assert [list(pages[name].state_data.values()) for name in "ab"] == [[2], [1]]


def test_a_page_goes_when_it_was_not_used_for_its_time(small: gr.Blocks) -> None:
    pages = PageStates(small, seconds=3600)
    answers(small, pages["a"], 1)
    pages.delete_all_expired_state()
    assert "a" in pages
    hasty = PageStates(small, seconds=0)
    answers(small, hasty["a"], 1)
    hasty.delete_all_expired_state()
    assert "a" not in hasty
    assert hasty._used == {}


def test_beyond_the_capacity_the_oldest_page_goes(small: gr.Blocks) -> None:
    small.state_session_capacity = 3
    pages = PageStates(small)
    for name in ("a", "b", "c", "a", "d"):
        assert isinstance(pages[name], PageState)
    assert list(pages.session_data) == ["c", "a", "d"]
    assert set(pages._used) == {"c", "a", "d"}


def test_a_page_that_was_opened_costs_little() -> None:
    demo = build_app()
    demo.state_session_capacity = 1000
    pages = PageStates(demo)
    states = [block._id for block in demo.blocks.values() if isinstance(block, gr.State)]

    def open_some(name: str) -> int:
        tracemalloc.start()
        for number in range(50):
            page = pages[f"{name}{number}"]
            assert len([page[key] for key in states]) == len(states) > 3
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return taken // 50

    open_some("first")
    assert open_some("second") < 30_000  # Gradio's own take ten times that


def test_the_app_runs_with_it(demo: Any) -> None:
    keep_states_small(demo)
    assert isinstance(demo.app.state_holder, PageStates)
    assert demo.state_holder is demo.app.state_holder
    assert demo._queue.ANALYTICS_MAX_EVENTS == 0
