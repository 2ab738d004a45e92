#!/usr/bin/env python3
"""Loads what pe-quantize wrote in transformers and compares it with pe. Optional: nothing of pe needs it.

    pip install torch transformers compressed-tensors
    scripts/check_transformers.py OUT [--pe-run build/release/bin/pe-run] [--text TEXT ...] [--tolerance 0.1]

OUT is a classifier stored as dense int8 (compressed-tensors int-quantized). Two things are checked:
every weight that transformers makes of codes and scales is code * scale in f32, to the bit; and the
logits agree with pe-run to the tolerance (activations are rounded at other places: transformers divides
the range of a token by 127.5, pe by 127). Exit 0 when both hold, 1 when not.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import torch
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TEXTS = ["a fine film", "not bad at all, but far too long",
         "this was a terrible waste of two hours, and the ending made no sense"]


def check_weights(model, path):
    """Number of quantized modules, and the names of those whose weight differs."""
    modules, wrong, count = dict(model.named_modules()), [], 0
    with safe_open(path / "model.safetensors", "pt") as f:
        names = set(f.keys())
        for name in sorted(names):
            if f.get_slice(name).get_dtype() != "I8" or not name.endswith(".weight"):
                continue
            count += 1
            want = f.get_tensor(name).float() * f.get_tensor(name + "_scale")
            module = modules[name.removesuffix(".weight")]
            if not torch.equal(module.weight.detach().float(), want):
                wrong.append(name)
    return count, wrong


def pe_logits(pe_run, path, texts):
    out = subprocess.run([pe_run, str(path), "--json"], input="\n".join(texts) + "\n", text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    return torch.tensor([json.loads(line)["logits"] for line in out.splitlines()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--pe-run", default="build/release/bin/pe-run")
    parser.add_argument("--text", action="append")
    parser.add_argument("--tolerance", type=float, default=0.1)
    a = parser.parse_args()
    texts = a.text or TEXTS
    model = AutoModelForSequenceClassification.from_pretrained(a.out, dtype=torch.float32).eval()
    batch = AutoTokenizer.from_pretrained(a.out)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits  # the first forward also expands the weights
    count, wrong = check_weights(model, a.out)
    diff = (logits - pe_logits(a.pe_run, a.out, texts)).abs().max().item()
    print(f"{count} int8 modules, {len(wrong)} with other weights; largest difference of a logit {diff:.4f}")
    for name in wrong:
        print(f"  differs: {name}")
    return 0 if count and not wrong and diff <= a.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
