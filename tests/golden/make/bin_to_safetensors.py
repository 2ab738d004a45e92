#!/usr/bin/env python3
"""pytorch_model.bin -> model.safetensors beside it, without torch.

The golden set stores three encoders in torch's zip format, which pe does not read yet. This writes the
same tensors, names kept, as safetensors. Run once: bin_to_safetensors.py tests/golden/data/models/NAME ...
"""
import json
import os
import pickle
import struct
import sys
import zipfile

DTYPES = {"FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
          "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "BoolStorage": ("BOOL", 1)}


class Storage:
    def __init__(self, kind, key):
        self.kind, self.key = kind, key


class Reader(pickle.Unpickler):
    """Knows four names and calls nothing else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *rest: (storage, offset, size, stride)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *rest: data
        if module == "torch" and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid):
        return Storage(pid[1], pid[2])


def contiguous(size, stride):
    expect, n = [], 1
    for s in reversed(size):
        expect.insert(0, n)
        n *= s
    return all(s == 1 or a == b for s, a, b in zip(size, stride, expect))


def convert(folder):
    z = zipfile.ZipFile(os.path.join(folder, "pytorch_model.bin"))
    root = z.namelist()[0].split("/")[0]
    tensors = Reader(z.open(f"{root}/data.pkl")).load()
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        storage, offset, size, stride = tensors[name]
        dtype, width = DTYPES[storage.kind]
        assert contiguous(size, stride), name
        n = 1
        for s in size:
            n *= s
        raw = z.read(f"{root}/data/{storage.key}")[offset * width:(offset + n) * width]
        assert len(raw) == n * width, name
        header[name] = {"dtype": dtype, "shape": list(size), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


for path in sys.argv[1:]:
    convert(path)
