"""Answers to the same question, each a small file that registers what is in it; a new one needs a line here."""

from . import distance_explainer as distance_explainer
from . import rise as rise
from . import dix as dix
from . import integrated_gradients as integrated_gradients
from . import guided_ig as guided_ig
from . import blur_ig as blur_ig
from . import grad_cam as grad_cam
from . import grad_cam_pp as grad_cam_pp
from . import x_grad_cam as x_grad_cam
from . import layer_cam as layer_cam
from . import ablation_cam as ablation_cam
from . import lift_cam as lift_cam
from . import full_grad as full_grad
from . import gae as gae
from . import transformer_attribution as transformer_attribution
from . import dix_official as dix_official
