"""Every study: importing this fills the registry, in the order of the paper and not of the alphabet."""

# isort: off
from . import deleting as deleting
from . import robustness as robustness
from . import randomizing as randomizing
from . import question as question
from . import galleries as galleries
from . import steadying as steadying
from . import parameters as parameters
from . import selecting as selecting
from . import planting as planting
from . import spacing as spacing
from . import wording as wording
# isort: on
