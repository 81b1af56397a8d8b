"""Expressions about single frames of real clips, and the boxes of their targets as a person sees them.

A box is x0 y0 x1 y1 in shares of width and height, estimated by eye. A list holds the boxes of all targets; several
lists are alternative answers that are all right; no list: the target is absent.
"""

from __future__ import annotations

Box = tuple[float, float, float, float]
Answers = tuple[tuple[Box, ...], ...]

_CAMEL, _FAR_CAMEL = (0.3, 0.2, 0.68, 0.93), (0.29, 0.3, 0.36, 0.66)
_CAR, _SEDAN, _CUT_CAR = (0.29, 0.37, 0.8, 0.74), (0.1, 0.42, 0.3, 0.58), (0.0, 0.44, 0.1, 0.57)
_DOG, _WOMAN = (0.66, 0.5, 0.9, 0.77), (0.17, 0.1, 0.31, 0.8)
_NEAR_DOG, _BENT_WOMAN = (0.35, 0.52, 0.55, 0.77), (0.17, 0.3, 0.36, 0.79)
_HORSE, _RIDER = (0.25, 0.27, 0.57, 0.72), (0.42, 0.16, 0.49, 0.52)
_LEFT_MAN, _RIGHT_MAN = (0.355, 0.25, 0.47, 0.87), (0.45, 0.22, 0.6, 0.82)
_DANCER = (0.38, 0.03, 0.66, 1.0)

FRAMES: dict[tuple[str, int], dict[str, Answers]] = {
    # (file or folder of images below clips/, frame): expression -> answers
    ("masked/judo_frames", 0): {
        "the person at the right edge": (((0.91, 0.36, 1.0, 0.67),), ((0.89, 0.12, 0.97, 0.54),)),
        "one of the two men in the middle": (((0.39, 0.03, 0.53, 0.82),), ((0.49, 0.05, 0.62, 0.87),)),
        "a horse": (),
        "the woman in a red dress": (),
    },
    ("masked/breakdance/frames", 0): {
        "the man in a red shirt": (((0.26, 0.0, 0.45, 0.95),),),
        "the woman in a blue jacket": (((0.065, 0.35, 0.14, 0.9),),),
        "the leftmost person": (((0.0, 0.25, 0.065, 0.9),),),
        "the rightmost person": (((0.9, 0.2, 1.0, 0.9),),),
        "a motorcycle": (),
    },
    ("masked/camel/frames", 45): {
        "the biggest camel": (((_CAMEL),),),
        "the camel on the left": ((_FAR_CAMEL,),),
        "the smaller camel": ((_FAR_CAMEL,),),
        "the camel in the background": ((_FAR_CAMEL,),),
        "the second camel from the left": ((_CAMEL,),),
        "both camels": ((_CAMEL, _FAR_CAMEL),),
        "the giraffe": (),
        "a black dog": (),
    },
    ("masked/car-roundabout/frames", 0): {
        "the black car in front": ((_CAR,),),
        "the biggest car": ((_CAR,),),
        "the car to the left of the big car": ((_SEDAN,), (_CUT_CAR,)),
        "the car behind the black car": ((_SEDAN,), (_CUT_CAR,)),
        "a red car": (),
        "the bus": (),
    },
    ("masked/dance-twirl/frames", 45): {
        "the dancer": ((_DANCER,),),
        "the girl in the blue dress": ((_DANCER,),),
        "the person in front": ((_DANCER,),),
        "a bicycle": (),
    },
    ("masked/car-shadow/frames", 0): {
        "the silver car": (((0.36, 0.2, 0.76, 0.59),),),
        "the vehicle": (((0.36, 0.2, 0.76, 0.59),),),
        "the traffic light": (((0.505, 0.1, 0.54, 0.22),), ((0.96, 0.13, 0.99, 0.24),)),
        "the blue car": (),
        "a cat": (),
    },
    ("real/dog_720p.mp4", 57): {
        "the dog": ((_DOG,),),
        "a brown and white dog": ((_DOG,),),
        "the dog to the right of the woman": ((_DOG,),),
        "the woman": ((_WOMAN,),),
        "the person on the left": ((_WOMAN,),),
        "the woman in blue jeans": ((_WOMAN,),),
        "the dog and the woman": ((_DOG, _WOMAN),),
        "the cat": (),
        "the sheep": (),
    },
    ("real/dog_720p.mp4", 0): {
        "the woman next to the dog": ((_BENT_WOMAN,),),
        "the dog next to the woman": ((_NEAR_DOG,),),
        "the animal": ((_NEAR_DOG,),),
        "the puppy": ((_NEAR_DOG,),),
        "a man in a red shirt": (),
    },
    ("real/example_480p.mp4", 24): {
        "the horse": ((_HORSE,),),
        "the brown horse": ((_HORSE,),),
        "the rider": ((_RIDER,),),
        "the woman riding the horse": ((_RIDER,),),
        "the person on top of the horse": ((_RIDER,),),
        "the plant": (((0.34, 0.74, 0.54, 1.0),),),
        "a zebra": (),
        "the white horse": (),
    },
    ("odd/variable_rate.mp4", 21): {
        "the man on the left": ((_LEFT_MAN,),),
        "the man on the right": ((_RIGHT_MAN,),),
        "the man in a gray shirt": ((_LEFT_MAN,),),
        "the man in black": ((_RIGHT_MAN,),),
        "the man not in black": ((_LEFT_MAN,),),
        "the two men": ((_LEFT_MAN, _RIGHT_MAN),),
        "all people": ((_LEFT_MAN, _RIGHT_MAN),),
        "the green chair": (((0.92, 0.6, 1.0, 0.83),),),
        "the woman in a red dress": (),
        "a dog": (),
    },
    ("odd/b_frames.avi", 48): {
        "the woman": (((0.57, 0.0, 1.0, 1.0),),),
        "a chair": (((0.25, 0.38, 0.5, 0.75),),),
        "a bird": (),
    },
    ("odd/mkv_no_frame_count.mkv", 92): {
        "the woman in the middle": (((0.36, 0.0, 0.7, 0.97),),),
        "the person on the right": (((0.82, 0.46, 1.0, 0.85),), ((0.74, 0.46, 1.0, 0.95),)),
        "a laptop": (),
    },
    ("odd/rotated_180_variable_rate.mp4", 19): {
        "the dog": (((0.2, 0.25, 0.42, 0.95),),),
        "the black and white dog": (((0.2, 0.25, 0.42, 0.95),),),
        "a surfboard": (),
    },
    ("odd/non_square_pixels.mp4", 83): {
        "the bottle": (((0.74, 0.2, 0.81, 0.4),),),
        "the man on the left": (((0.0, 0.0, 0.6, 1.0),),),
        "a pizza": (),
    },
    ("odd/short_fractional_rate.mp4", 10): {
        "the biggest plant": (((0.22, 0.0, 0.67, 0.85),), ((0.22, 0.0, 0.67, 0.6),)),
        "the plant on the left": (((0.21, 0.42, 0.42, 0.7),),),
        "a train": (),
    },
}
