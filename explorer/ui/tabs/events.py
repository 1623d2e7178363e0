"""What the events of the tabs have in common: whose they are, Run and Stop, and what a page sends by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import gradio as gr

from explorer.core.errors import InvalidInput
from explorer.ui.controls import Values
from explorer.ui.failures import told, told_stepwise
from explorer.ui.jobs import TAKEN_OUT, J, MaskRun, stream
from explorer.ui.page import LIGHT, Page
from explorer.ui.session import Session
from explorer.ui.status import Step, status_panel

AGAIN = "press again to go on from here"


class WithJob(Protocol):
    """A tab's own components; ``job`` holds the page's ``Job`` there."""

    @property
    def job(self) -> gr.State: ...  # noqa: D102


W = TypeVar("W", bound=WithJob)


class TabEvents(Generic[W, J]):
    """The events of a tab that runs something."""

    def __init__(self, page: Page, widgets: W) -> None:
        self._page, self._widgets, self._probes = page, widgets, page.probes

    def _session(self, values: Values) -> Session:
        return values[self._page.session]  # type: ignore[no-any-return]

    def _job(self, values: Values) -> J:
        return self._session(values).knows(values[self._widgets.job])  # type: ignore[no-any-return]

    @told
    def called_off(self, values: Values) -> Any:
        """Once Stop was pressed, say of a run that waits for its turn that it has none any more.

        One that is at work says itself how far it came.
        """
        return status_panel(Step(TAKEN_OUT)) if self._job(values).called_off else gr.skip()


class MaskEvents(TabEvents[W, J]):
    """The same where that is a run of masks.

    Attributes:
        every: As of ``jobs.Work``.
    """

    every: ClassVar[float]

    def wire(self, starts: Sequence[Any], asked: set[Any], shown: list[Any]) -> Any:
        """Wire Run, which reads what is asked; show the status line and the view; return the run."""
        whose: set[Any] = {self._page.session, self._widgets.job}
        gr.on(starts, self.turn, asked | whose, [shown[0], self._widgets.job], **LIGHT)  # or it would wait for the run
        lane = self._page.queued() | {"show_progress_on": shown[0]}
        self._page.after_stop.append((self.called_off, whose, [shown[0]]))
        return gr.on(starts, self.run, asked | whose, shown, **lane)

    @abstractmethod
    def steps(self, values: Values, job: J) -> Iterator[Step]:
        """Do what is asked."""

    @abstractmethod
    def news(self, job: J) -> Any:
        """The view of what is there now."""

    @abstractmethod
    def seconds(self, values: Values) -> float | None:
        """What a run takes, where that is known."""

    @told
    def turn(self, values: Values) -> tuple[Any, J]:
        """Say whose turn it is; the job goes back for its time to live, as in ``Handlers.queue``."""
        job = self._job(values)
        return self._probes.queued(job, self.seconds(values)), job

    @told_stepwise
    def run(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """Do it, sending what there is as it comes."""
        job = self._job(values)
        work = MaskRun(self.steps(values, job), job, lambda: self.news(job), self.every, AGAIN)
        yield from stream(work, job, self._probes)


def named(data: Any) -> dict[str, Any]:
    """What a page sent by name; anyone can send anything.

    Raises:
        InvalidInput: It is something else.
    """
    if data is not None and not isinstance(data, dict):
        raise InvalidInput("The choice could not be read; reload the page.", code="page_data")
    return data or {}


def press_of(data: dict[str, Any]) -> int:
    """Which press of a button is meant.

    Raises:
        InvalidInput: None is.
    """
    press = data.get("press")
    if type(press) is not int:
        raise InvalidInput("The choice could not be read; reload the page.", code="page_data")
    return press
