"""Every study: importing this fills the registry, in the order of the paper and not of the alphabet."""

# isort: off
from . import deletion as deletion
from . import sensitivity as sensitivity
from . import randomization as randomization
from . import single_layers as single_layers
from . import figures as figures
from . import stability as stability
from . import mask_settings as mask_settings
from . import selection as selection
from . import planted_patch as planted_patch
from . import gym as gym
from . import spaces as spaces
from . import features as features
from . import words as words
# isort: on
