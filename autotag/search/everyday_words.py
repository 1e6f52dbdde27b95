"""Words for things that pictures show: what an arbitrary query looks like to a model."""

# fmt: off
EVERYDAY_WORDS = (
    "person", "man", "woman", "child", "baby", "crowd", "face", "hand", "wedding", "concert", "family",
    "soldier", "worker", "dancer", "dog", "cat", "horse", "cow", "bird", "fish", "insect", "snake", "monkey",
    "bear", "butterfly", "spider", "frog", "rabbit", "whale", "chicken", "flower", "tree", "leaf", "grass",
    "forest", "mushroom", "vegetable", "fruit", "bread", "meat", "cake", "soup", "coffee", "cheese", "egg",
    "car", "truck", "bus", "train", "bicycle", "motorcycle", "boat", "airplane", "tractor", "road", "bridge",
    "station", "street", "map", "house", "church", "castle", "skyscraper", "factory", "shop", "kitchen",
    "bedroom", "office", "stairs", "window", "door", "roof", "statue", "mountain", "beach", "river",
    "waterfall", "desert", "snow", "sky", "sunset", "rain", "fire", "smoke", "moon", "rock", "chair", "table",
    "bed", "lamp", "mirror", "clock", "book", "letter", "pen", "scissors", "knife", "plate", "bottle", "bag",
    "umbrella", "key", "toy", "shirt", "dress", "shoe", "hat", "glasses", "coat", "computer", "keyboard",
    "telephone", "camera", "machine", "engine", "tool", "ball", "swimming", "running", "fishing", "guitar",
    "piano", "drum", "painting", "poster", "text", "number", "flag", "medicine", "bandage", "bone", "hair",
    "eye", "wood", "metal", "stone", "plastic", "water", "shadow", "diagram",
)
# fmt: on
"""Chosen to be spread, not to be likely: most are in nobody's catalog, and it does no harm where one is."""
