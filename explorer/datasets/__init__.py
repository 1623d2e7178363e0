"""Data sets that users have on disk: a small file each, that registers what is in it. Nothing is downloaded."""

from . import coco as coco
from . import imagenet as imagenet
from . import imagenet_seg as imagenet_seg
from . import pairs as pairs
from . import scenes as scenes
from . import voc as voc
