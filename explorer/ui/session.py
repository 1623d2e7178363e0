"""What an open page asks and looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..caps import N_MASKS
from ..config import Config, example_named
from ..errors import InvalidInput
from ..images import Picture, as_picture
from ..links import preset_config
from ..presets import asset_path, preset_named
from ..rank import rank_against
from ..replay import replay_of, rows
from ..schema import Explanation, MaskSettings, Probe, Reference, SelectionSettings
from ..unpacking import load_replay, unpack


@dataclass(frozen=True, eq=False)
class Question:
    """Everything a visitor asked for, read from the controls and checked.

    Attributes:
        picture: The picture to explain.
        reference: The picture to compare with, where that is what was asked.
        caption: The caption to compare with, otherwise.
        encoder: A key of the cards.
        precision: The encoder's arithmetic.
        masking: The costly settings.
        until: End early, once this agreement is reached.
    """

    picture: Picture
    reference: Picture | None
    caption: str | None
    encoder: str
    precision: str
    masking: MaskSettings
    until: float | None = None

    def against(self, reference: Picture | None, caption: str | None) -> Question:
        """The same question of another reference."""
        return replace(self, reference=reference, caption=caption)

    def config(self, n_masks: int, selection: SelectionSettings) -> Config:
        """What names the result after so many masks."""
        compared = None if self.reference is None else self.reference.sha256
        return Config(
            picture=example_named(self.picture.sha256),
            picture_sha256=self.picture.sha256,
            reference=None if compared is None else example_named(compared),
            reference_sha256=compared,
            caption=self.caption,
            encoder=self.encoder,
            precision=self.precision,
            masking=replace(self.masking, n_masks=max(int(N_MASKS.low), n_masks)),
            selection=selection,
        )


class Session:
    """What one open page is looking at. A running probe and a moved control both write here.

    Attributes:
        question: What the result on screen answers; None before any, and for an example's replay.
        probe: What has been embedded so far.
        target: The reference it is ranked against.
        replay: The key of the example shown without a model, if one is.
        stopping: Whether Stop was pressed since the run began. Gradio cancels the run too, but the run's last
            words could then come after those of Stop.
        running: Whether a run began that neither ended nor was stopped.
        over: When the last run came to its end, by the monotonic clock.
        asked: What the costly controls said when the result on screen was asked for.
    """

    def __init__(self) -> None:
        self.question: Question | None = None
        self.probe: Probe | None = None
        self.target: Reference | None = None
        self.replay: str | None = None
        self.stopping = self.running = False
        self.over = -math.inf
        self.asked: tuple[object, ...] = ()

    def ended(self) -> bool:
        """Whether Stop was pressed, which can happen between any two lines of a run."""
        return self.stopping

    def replayed(self) -> bool:
        """Whether an example is on screen, which can be chosen between any two lines of a run."""
        return self.replay is not None

    def show_replay(self, key: str, asked: tuple[object, ...]) -> None:
        """An example takes the place of whatever was on screen, and of a run that goes on."""
        self.question = self.probe = self.target = None
        self.stopping, self.running = True, False
        self.replay, self.asked = key, asked

    def config(self, selection: SelectionSettings) -> Config:
        """What names the result on screen.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            return replace(preset_config(self.replay), selection=selection)
        if self.question is None or self.probe is None:
            raise InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")
        return self.question.config(len(self.probe), selection)

    def shown(self) -> str | None:
        """The ``id`` of the result on screen, as ``replay.rows`` makes it; None before there is one."""
        if self.replay is not None and (path := replay_of(self.replay)):
            return str(load_replay(path)["id"])
        if self.probe is None or self.target is None:
            return None
        return str(rows(self.probe, self.target)["id"])

    def explanation(self, selection: SelectionSettings) -> Explanation:
        """What is on screen, ranked.

        Raises:
            InvalidInput: Nothing is there yet.
        """
        if self.replay is not None:
            path = replay_of(self.replay)
            assert path is not None
            picture = asset_path(preset_named(self.replay).image)  # larger than the replay's own
            return rank_against(*unpack(load_replay(path), picture=picture), selection)
        if self.probe is None or self.target is None or not len(self.probe):
            raise InvalidInput("There is nothing to show yet; press Run.", code="nothing_yet")
        return rank_against(self.probe, self.target, selection)


def on_screen(session: Session) -> Question:
    """What the result on screen answers, with the masks it has.

    Raises:
        InvalidInput: Nothing is there yet.
    """
    if session.probe is not None and session.question is not None:
        count = max(int(N_MASKS.low), len(session.probe))
        masking = replace(session.question.masking, n_masks=count)
        return replace(session.question, masking=masking, until=None)
    if session.replay is None:
        raise InvalidInput("There is nothing to explain yet; press Run.", code="nothing_yet")
    preset = preset_named(session.replay)
    reference = None if preset.reference is None else as_picture(asset_path(preset.reference))
    return Question(
        as_picture(asset_path(preset.image)), reference, preset.caption, preset.encoder, "float32", MaskSettings()
    )
