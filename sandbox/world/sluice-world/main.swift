import World

