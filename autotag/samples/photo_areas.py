"""What the photographs of the `photos` sample show and where: written by hand, as data.

The photographs ship inside scikit-image, scikit-learn, ultralytics and matplotlib. Those held out for the
target folders are whole photographs of which the archive has no part, and every tag of theirs occurs in it.
"""

from dataclasses import dataclass

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a photograph that can be named.

    Attributes:
        name: unique within the photograph.
        box_xyxy_px: where it is.
        tags: what it shows.
        caption: a sentence about it.
        is_surface: looks the same all over, so that any piece of it shows it. Of anything else most of the
            box must be in the picture.
    """

    name: str
    box_xyxy_px: Box
    tags: tuple[str, ...]
    caption: str
    is_surface: bool = False


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph and the crops made of it.

    Attributes:
        name: start of every crop's name.
        distribution: what to install when the file is missing.
        package: the importable package that holds the file.
        file: path in the package.
        crops: how many are made, area after area.
        areas: what it shows.
        always: tags of every crop.
        may_mirror: whether a mirrored crop is still true; not so for writing.
    """

    name: str
    distribution: str
    package: str
    file: str
    crops: int
    areas: tuple[Area, ...]
    always: tuple[str, ...] = ()
    may_mirror: bool = True


def _skimage(
    file: str, crops: int, *areas: Area, always: tuple[str, ...] = (), may_mirror: bool = True
) -> Photograph:
    name = file.rpartition(".")[0].replace("_", "-")
    return Photograph(name, "scikit-image", "skimage", f"data/{file}", crops, areas, always, may_mirror)


def _sklearn(file: str, crops: int, *areas: Area) -> Photograph:
    name = file.rpartition(".")[0]
    return Photograph(name, "scikit-learn", "sklearn", f"datasets/images/{file}", crops, areas)


def _ultralytics(file: str, crops: int, *areas: Area) -> Photograph:
    name = file.rpartition(".")[0]
    return Photograph(name, "ultralytics", "ultralytics", f"assets/{file}", crops, areas)


_GREY = ("black and white",)
_SQUARE: Box = (0, 0, 512, 512)

ARCHIVE = (
    _skimage(
        "astronaut.png",
        24,
        Area(
            "person", (45, 0, 420, 512), ("person", "woman", "astronaut"), "A woman in an orange space suit."
        ),
        Area("face", (150, 5, 305, 190), ("person", "woman", "face", "smile"), "A smiling woman."),
        Area("flag", (0, 0, 130, 270), ("flag",), "A flag of the United States."),
        Area("shuttle", (325, 0, 475, 235), ("rocket",), "A model of the space shuttle."),
        Area("helmet", (280, 330, 512, 512), ("helmet",), "The helmet of a space suit."),
    ),
    _ultralytics(
        "bus.jpg",
        36,
        Area("bus", (10, 225, 810, 760), ("bus", "vehicle", "street"), "A blue electric bus in a street."),
        Area("man", (45, 395, 245, 905), ("person", "man", "coat"), "A man in a sheepskin coat."),
        Area("passer", (220, 400, 348, 862), ("person", "man", "coat"), "A man in a dark coat."),
        Area("walker", (665, 420, 810, 885), ("person",), "Somebody who walks out of the picture."),
        Area("pavement", (130, 870, 810, 1080), ("street", "ground"), "A pavement.", is_surface=True),
        Area("facade", (120, 0, 810, 235), ("building", "window"), "Windows of a house.", is_surface=True),
    ),
    _skimage(
        "camera.png",
        24,
        Area("man", (0, 50, 335, 512), ("person", "man", "coat"), "A man at a camera."),
        Area("face", (145, 55, 340, 225), ("person", "man", "face", "camera"), "A man looks into a camera."),
        Area("tripod", (225, 125, 415, 512), ("camera", "tripod"), "A camera on a tripod."),
        Area("city", (335, 105, 512, 240), ("building",), "Buildings far away."),
        Area("lawn", (300, 240, 512, 512), ("grass", "ground"), "A lawn.", is_surface=True),
        always=_GREY,
    ),
    _sklearn(
        "china.jpg",
        24,
        Area("temple", (65, 25, 370, 400), ("building", "temple"), "A Chinese temple."),
        Area("roof", (90, 25, 320, 140), ("building", "temple", "roof"), "The roof of a Chinese temple."),
        Area("trees", (330, 290, 640, 427), ("tree", "plant"), "Trees.", is_surface=True),
        Area("lake", (340, 60, 600, 290), ("water", "lake", "sky"), "A lake in the haze."),
    ),
    _sklearn(
        "flower.jpg",
        12,
        Area("blossom", (155, 55, 460, 370), ("flower", "plant"), "An orange dahlia."),
        Area("petals", (190, 90, 430, 340), ("flower", "plant"), "Petals of a dahlia.", is_surface=True),
    ),
    _skimage(
        "motorcycle_left.png",
        20,
        Area("motorcycle", (95, 85, 690, 475), ("motorcycle", "vehicle"), "A red motorcycle in a garage."),
        Area(
            "engine", (310, 180, 500, 390), ("motorcycle", "vehicle", "engine"), "The engine of a motorcycle."
        ),
        Area("rear", (100, 220, 290, 400), ("motorcycle", "vehicle", "wheel"), "The rear of a motorcycle."),
        Area("front", (530, 250, 690, 465), ("motorcycle", "vehicle", "wheel"), "The front of a motorcycle."),
        Area("shelves", (380, 0, 741, 150), ("garage",), "Boxes and tools in a garage."),
    ),
    _skimage(
        "chelsea.png",
        18,
        Area("face", (60, 0, 430, 300), ("face",), "A tabby cat looks up."),
        Area("eyes", (115, 60, 350, 180), ("eye",), "The eyes of a cat."),
        Area("nose", (200, 140, 330, 280), ("nose",), "The nose of a cat."),
        always=("cat", "animal"),
    ),
    _skimage(
        "coffee.png",
        14,
        Area("cup", (75, 20, 480, 370), ("coffee", "cup", "drink"), "A cup of coffee on a red saucer."),
        Area("espresso", (165, 20, 420, 230), ("coffee", "cup", "drink"), "Coffee in a white cup."),
        Area("table", (440, 0, 600, 400), ("wood", "table"), "A wooden table.", is_surface=True),
    ),
    _skimage(
        "rocket.jpg",
        12,
        Area("rocket", (250, 80, 390, 427), ("rocket", "night"), "A rocket on its launch pad at night."),
        Area("pad", (0, 60, 640, 427), ("rocket", "night", "tower", "sky"), "A launch pad at night."),
    ),
    _skimage(
        "hubble_deep_field.jpg",
        10,
        Area("galaxies", (0, 0, 1000, 872), ("space", "star", "galaxy"), "Far galaxies.", is_surface=True),
    ),
    _skimage(
        "moon.png",
        8,
        Area("ground", _SQUARE, ("space", "moon", "crater"), "The surface of the moon.", is_surface=True),
        always=_GREY,
    ),
    _skimage(
        "coins.png",
        10,
        Area("coins", (0, 0, 384, 303), ("coin", "money"), "Old coins in rows.", is_surface=True),
        always=_GREY,
    ),
    _skimage(
        "retina.jpg",
        8,
        Area("retina", (150, 150, 1260, 1260), ("medicine", "eye"), "The back of an eye.", is_surface=True),
    ),
    _skimage(
        "ihc.png",
        10,
        Area("tissue", _SQUARE, ("medicine", "microscope"), "Stained tissue.", is_surface=True),
    ),
    _skimage(
        "cell.png",
        6,
        Area("cell", (330, 290, 520, 470), ("microscope", "cell"), "A cell under a microscope."),
        always=_GREY,
    ),
    _skimage(
        "page.png",
        12,
        Area("print", (0, 0, 384, 191), ("text", "page"), "Printed text.", is_surface=True),
        always=_GREY,
        may_mirror=False,
    ),
    _skimage(
        "brick.png",
        12,
        Area("bricks", _SQUARE, ("texture", "brick"), "Bricks in rows.", is_surface=True),
        always=_GREY,
    ),
    _skimage(
        "grass.png",
        12,
        Area("grass", _SQUARE, ("texture", "grass", "ground"), "Grass seen from above.", is_surface=True),
        always=_GREY,
    ),
)

TARGETS = {
    "people": (
        _ultralytics(
            "zidane.jpg",
            10,
            Area("both", (100, 20, 1165, 720), ("person", "man"), "Two football coaches."),
            Area("left", (130, 190, 660, 720), ("person", "man"), "A man who shouts and points."),
            Area("right", (745, 30, 1140, 720), ("person", "man"), "A man with white hair."),
            Area("face", (470, 190, 690, 460), ("person", "man", "face"), "The face of a man who shouts."),
            Area("white-hair", (870, 30, 1090, 310), ("person", "man", "face"), "The face of an older man."),
        ),
        Photograph(
            "grace-hopper",
            "matplotlib",
            "matplotlib",
            "mpl-data/sample_data/grace_hopper.jpg",
            10,
            (
                Area("person", (30, 15, 512, 600), ("person", "woman"), "An admiral with glasses."),
                Area("face", (140, 60, 385, 350), ("person", "woman", "face"), "The face of an old woman."),
                Area("flag", (0, 0, 150, 400), ("flag",), "A flag of the United States."),
            ),
        ),
    ),
    "field notes/pages et matières": (
        _skimage(
            "gravel.png",
            8,
            Area("gravel", _SQUARE, ("texture", "ground"), "Gravel.", is_surface=True),
            always=_GREY,
        ),
        _skimage(
            "text.png",
            6,
            Area("writing", (0, 0, 448, 172), ("text", "page"), "Formulas on paper.", is_surface=True),
            always=_GREY,
            may_mirror=False,
        ),
    ),
}
"""Photographs of each target folder, by its path below the target root."""
