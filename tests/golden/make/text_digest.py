#!/usr/bin/env python3
"""What the Hugging Face library makes of a text, as one number: the expected value of text_digest().

    pip install tokenizers==0.23.3 xxhash numpy
    python3 tests/golden/make/text_digest.py TOKENIZER.json TEXT[.gz] [line] [mixed]

XXH3-128 over the tokens of the whole text, or with `line` of each line in turn: their number, then id,
begin and end (in bytes) of each, as little-endian 32-bit words.
"""
import gzip
import sys

import numpy as np
import xxhash
from tokenizers import Tokenizer


MIXED_NBYTES = 5000000
SPICE = ["[MASK]", "new2", " nEw3 ", "[\u00c9T\u00c9]", "[new1]", "\u0130\u0307", "\u0301\u0323", "\u1e0b\u0323"]


def mixed(text):
    """Words at random, every eighth time followed by a code point or an added token, not by a space."""
    words, out, nbytes, state = text.split(b" "), [], 0, 1

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return state >> 33

    while nbytes < MIXED_NBYTES:
        out.append(words[draw() % len(words)])
        kind = draw() % 32
        if kind == 0:
            cp = draw() % 0x110000
            out.append(chr(cp if not 0xD800 <= cp <= 0xDFFF else 0x78).encode())
        elif kind == 1:
            out.append(chr(draw() % 0xD800).encode())
        elif kind == 2:
            out.append(chr(draw() % 0x3000).encode())
        elif kind == 3:
            out.append(SPICE[draw() % len(SPICE)].encode())
        elif kind == 4:
            out.append(b"\n")
        else:
            out.append(b" ")
        nbytes += len(out[-1]) + len(out[-2])
    return b"".join(out)


def main():
    tok = Tokenizer.from_file(sys.argv[1])
    tok.no_truncation()
    tok.no_padding()
    opened = gzip.open if sys.argv[2].endswith(".gz") else open
    text = opened(sys.argv[2], "rb").read()
    by_line = "line" in sys.argv[3:]
    if "mixed" in sys.argv[3:]:
        text = mixed(text)
    pieces = text.split(b"\n") if by_line else [text]
    if by_line and pieces[-1] == b"":
        pieces.pop()
    digest, ntokens = xxhash.xxh3_128(), 0
    for piece in pieces:
        s = piece.decode("utf-8")
        e = tok.encode(s)
        # bytes before each code point
        raw = np.frombuffer(piece, dtype=np.uint8)
        at = np.append(np.flatnonzero((raw & 0xC0) != 0x80), len(piece)).astype("<u4")
        rows = np.empty((len(e.ids), 3), dtype="<u4")
        rows[:, 0] = e.ids
        if len(e.ids):
            rows[:, 1:] = at[np.array(e.offsets, dtype=np.int64)]
            special = np.array(e.special_tokens_mask, dtype=bool)
            rows[special, 1:] = 0
        digest.update(np.array([len(e.ids)], dtype="<u4").tobytes() + rows.tobytes())
        ntokens += len(e.ids)
    print(digest.hexdigest(), ntokens, "tokens")


main()
