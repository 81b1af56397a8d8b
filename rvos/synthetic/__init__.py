"""Films that make their own frames, masks and expressions: the benchmark of what time adds."""

from rvos.synthetic.dataset import SyntheticVideos, VideoSample
from rvos.synthetic.expressions import VideoExpression

__all__ = ["SyntheticVideos", "VideoExpression", "VideoSample"]
