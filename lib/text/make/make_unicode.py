#!/usr/bin/env python3
"""Writes lib/text/unicode_tables.inc: what the tokenizers ask of a code point, in two-stage tables.

    python3 lib/text/make/make_unicode.py [UCD] > lib/text/unicode_tables.inc

UCD is a folder of the Unicode Character Database 15.0 (Debian: package unicode-data). The Hugging
Face tokenizers mix four editions of Unicode; their tables are derived here from the one edition by
the DerivedAge property and the few later or differing code points listed below. Checked against
tokenizers 0.23.3 on every code point.
"""
import os
import sys

BLOCK = 128
WS, DROP, PUNCT, MN, CJK, WORD, NFD = (1 << i for i in range(7))

# Crate unicode_categories 0.1.1 (Unicode 8.0) against "category today and Age <= 8.0".
MN_TOO, MN_NOT = {0x1734}, {0x1885, 0x1886, 0xA9BD, 0x111C9}
PUNCT_TOO = {0x166D, 0x111C9}
# As its source has them; the fifth begins at 2B920, not at 2B820.
CJK_RANGES = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
              (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
# Rust's char::to_lowercase is at Unicode 17; the regex crate's \w at Unicode 16.
LOWER_LATER = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5,
               0xA7DA: 0xA7DB, 0xA7DC: 0x19B, **{c: c + 0x20 for c in range(0x10D50, 0x10D66)},
               **{c: c + 0x1B for c in range(0x16EA0, 0x16EB9)}}
WORD_LATER = [(0x897, 0x897), (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3),
              (0x10D40, 0x10D65), (0x10D69, 0x10D6D), (0x10D6F, 0x10D85), (0x10EC2, 0x10EC4), (0x10EFC, 0x10EFC),
              (0x11380, 0x11389), (0x1138B, 0x1138B), (0x1138E, 0x1138E), (0x11390, 0x113B5), (0x113B7, 0x113C0),
              (0x113C2, 0x113C2), (0x113C5, 0x113C5), (0x113C7, 0x113CA), (0x113CC, 0x113D3), (0x113E1, 0x113E2),
              (0x116D0, 0x116E3), (0x11BC0, 0x11BE0), (0x11BF0, 0x11BF9), (0x11F5A, 0x11F5A), (0x13460, 0x143FA),
              (0x16100, 0x16139), (0x16D40, 0x16D6C), (0x16D70, 0x16D79), (0x18CFF, 0x18CFF), (0x1CCF0, 0x1CCF9),
              (0x1E5D0, 0x1E5FA), (0x2EBF0, 0x2EE5D)]
NFD_AGE = 9.0   # crate unicode-normalization-alignments 0.1.12
CATEGORY_AGE = 8.0


def load(ucd):
    cat, ccc, lower, decomp, first = {}, {}, {}, {}, 0
    for line in open(os.path.join(ucd, "UnicodeData.txt")):
        f = line.split(";")
        c = int(f[0], 16)
        if f[1].endswith("First>"):
            first = c
            continue
        for x in range(first if f[1].endswith("Last>") else c, c + 1):
            cat[x] = f[2]
        ccc[c] = int(f[3])
        if f[5] and not f[5].startswith("<"):
            decomp[c] = [int(x, 16) for x in f[5].split()]
        if f[13]:
            lower[c] = int(f[13], 16)
    return cat, ccc, lower, decomp


def load_property(ucd, name):
    out = {}
    for line in open(os.path.join(ucd, name)):
        line = line.split("#")[0]
        if ";" in line:
            r, value = (x.strip() for x in line.split(";"))
            ends = [int(x, 16) for x in r.split("..")]
            for c in range(ends[0], ends[-1] + 1):
                out.setdefault(c, set()).add(value)
    return out


def ranges(pairs):
    return {c for a, b in pairs for c in range(a, b + 1)}


def two_stage(values):
    blocks, index = {}, []
    for i in range(0, len(values), BLOCK):
        index.append(blocks.setdefault(tuple(values[i:i + BLOCK]), len(blocks)))
    return index, [v for b in blocks for v in b]


def array(ctype, name, values):
    out = [f"const {ctype} {name}[{len(values)}] = {{"]
    line = "   "
    for v in values:
        if len(line) + len(str(v)) > 98:
            out.append(line)
            line = "   "
        line += f" {v},"
    return "\n".join(out + [line, "};\n"])


def main():
    ucd = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
    cat, ccc, lower, decomp = load(ucd)
    prop, core = load_property(ucd, "PropList.txt"), load_property(ucd, "DerivedCoreProperties.txt")
    age = {c: float(next(iter(v))) for c, v in load_property(ucd, "DerivedAge.txt").items()}
    lower.update(LOWER_LATER)
    lower.pop(0x130)  # becomes two characters: in the code
    cjk, word_later = ranges(CJK_RANGES), ranges(WORD_LATER)

    def full(c):
        return [y for x in decomp[c] for y in full(x)] if c in decomp and age.get(c, 99) <= NFD_AGE else [c]

    def flags(c):
        k, old, f = cat.get(c, "Cn"), age.get(c, 99) <= CATEGORY_AGE, 0
        f |= WS * ("White_Space" in prop.get(c, ()))
        f |= DROP * (c in (0, 0xFFFD) or (c not in (9, 10, 13) and (k == "Co" or (old and k in ("Cc", "Cf")))))
        ascii_punct = 32 < c < 127 and not chr(c).isalnum()
        f |= PUNCT * (ascii_punct or (old and k[0] == "P") or c in PUNCT_TOO)
        f |= MN * (c in MN_TOO or (old and k == "Mn" and c not in MN_NOT))
        f |= CJK * (c in cjk)
        f |= WORD * (k[0] == "M" or k in ("Nd", "Pc") or "Alphabetic" in core.get(c, ()) or
                     "Join_Control" in prop.get(c, ()) or c in word_later)
        return f | NFD * (full(c) != [c] or 0xAC00 <= c <= 0xD7A3)

    records, of, parts, part_of = {}, [], [], []
    for c in range(0x110000):
        cls = ccc.get(c, 0) if age.get(c, 99) <= NFD_AGE else 0
        of.append(records.setdefault((flags(c), cls, lower.get(c, c) - c), len(records)))
        d = full(c)
        part_of.append(0 if d == [c] else len(parts) + 1)
        if d != [c]:
            parts += [len(d)] + d
    print("/* lib/text/unicode_tables.inc - written by lib/text/make/make_unicode.py; do not edit.\n"
          " * Read next: lib/text/unicode.h. */\n")
    rows = [f"{{ {f}, {cls}, {d} }}" for f, cls, d in records]
    print(array("pe_uni_record", "pe_uni_records", rows))
    for name, values, ctype in (("pe_uni", of, "uint16_t"), ("pe_uni_nfd", part_of, "uint16_t")):
        index, data = two_stage(values)
        print(array("uint16_t", name + "_index", index))
        print(array(ctype, name + "_data", data))
    print(array("uint32_t", "pe_uni_nfd_parts", parts), end="")
    sys.stderr.write(f"{len(records)} records, {len(parts)} decomposition words\n")


main()
