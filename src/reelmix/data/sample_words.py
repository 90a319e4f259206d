"""The words that titles of the simulated sample are made of: a row a cluster, alternatives side by side."""

from __future__ import annotations

LOOKS = (
    ("neon", "neon-lit"),
    ("candlelit", "firelit"),
    ("golden-hour", "sun-drenched"),
    ("black-and-white", "silent-era"),
    ("pastel", "candy-coloured"),
    ("slow-motion", "half-speed"),
    ("time-lapse", "fast-forward"),
    ("close-up", "macro"),
    ("handheld", "one-take"),
    ("drone-shot", "bird's-eye"),
    ("stop-motion", "claymation"),
    ("rainy-day", "rain-soaked"),
    ("moonlit", "midnight"),
    ("foggy", "misty"),
    ("grainy VHS", "camcorder"),
    ("snowy", "midwinter"),
)

SOUNDS = (
    ("to lo-fi piano", "to a slow piano loop"),
    ("to eighties synths", "over a synth bass line"),
    ("to acoustic guitar", "to fingerpicked guitar"),
    ("with rain on a tin roof", "with distant thunder"),
    ("with birdsong", "with the dawn chorus"),
    ("by a crackling fire", "with logs crackling"),
    ("to a string quartet", "to a lone cello"),
    ("to a brass band", "to a trumpet solo"),
    ("in a whisper", "in hushed voices"),
    ("to drum and bass", "to fast breakbeats"),
    ("to a cheering crowd", "with the whole street clapping"),
    ("with a dry voice-over", "with deadpan commentary"),
    ("to bossa nova", "to a samba shuffle"),
    ("with ocean waves", "with waves on shingle"),
)

TOPICS = (
    ("street dance", "breakdancing"),
    ("sourdough baking", "bread scoring"),
    ("noodle pulling", "dumpling folding"),
    ("puppy training", "dog agility"),
    ("cat antics", "kitten mischief"),
    ("skateboarding", "kickflip practice"),
    ("trail hiking", "ridge walking"),
    ("origami", "paper engineering"),
    ("pottery", "wheel throwing"),
    ("card tricks", "street magic"),
    ("balcony gardening", "seed sowing"),
    ("train rides", "tram rides"),
    ("surfing", "bodyboarding"),
    ("chess puzzles", "speed chess"),
    ("thrift-shop finds", "wardrobe mending"),
    ("bike repair", "bike touring"),
    ("latte art", "espresso brewing"),
    ("stargazing", "comet watching"),
    ("rock climbing", "bouldering"),
    ("watercolour painting", "ink sketching"),
)
