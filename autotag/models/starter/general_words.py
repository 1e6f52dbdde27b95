"""A few hundred everyday words, which the classes of the image tower do not have: kinds, places, scenes, people, occasions."""

_WORDS = """
animal, bird, fish, insect, butterfly, beetle, spider, reptile, snake, frog, dog, cat, horse, cow, sheep, deer, bear, monkey,
pet, herd, nest, feather, shell, plant, flower, blossom, rose, tulip, tree, leaf, forest, grass, moss, cactus, fern, garden,
field, fruit, vegetable, berry, nut, bread, cake, dessert, meat, cheese, meal, drink, wine, coffee, tea, breakfast, picnic,
tool, machine, engine, wheel, kitchenware, dishes, cutlery, furniture, chair, table, bed, lamp, clock, mirror, window, door,
stairs, room, kitchen, bathroom, bedroom, office, shop, market, restaurant, museum, church, tower, bridge, castle, ruin, house,
skyscraper, city, street, village, farm, factory, harbour, station, airport, road, railway, tunnel, sign, traffic, parking,
vehicle, car, truck, bus, motorcycle, bicycle, train, tram, boat, ship, sailing, airplane, helicopter, balloon, rocket,
beach, sea, wave, coast, island, lake, river, waterfall, mountain, valley, desert, cave, rock, snow, ice, fog, rain, cloud, sky,
sunrise, sunset, night, stars, moon, lightning, rainbow, fire, smoke, underwater, aerial view, landscape, panorama,
person, man, woman, child, baby, family, couple, crowd, portrait, face, hand, smile, silhouette, worker, doctor, soldier,
clothing, hat, shoes, dress, uniform, jewellery, glasses, bag, toy, doll, game, ball, sport, football, tennis, swimming,
skiing, running, climbing, dancing, concert, music, musical instrument, guitar, piano, theatre, parade, festival, wedding,
birthday, party, ceremony, graduation, holiday, travel, hiking, camping, fishing, reading, painting, drawing, sculpture,
statue, graffiti, poster, book, newspaper, letter, map, chart, diagram, table of numbers, handwriting, receipt, document,
screenshot, text, logo, flag, coin, stamp, computer, phone, camera, screen, cable, robot, microscope, medicine, skeleton,
black and white, close-up, pattern, texture, wood, stone, metal, glass, fabric, brick wall, blur, reflection, shadow
"""


def general_words() -> list[str]:
    """The words, lower case, each once."""
    return list(dict.fromkeys(word.strip() for word in _WORDS.split(",")))
