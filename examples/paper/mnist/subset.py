"""Writes the first N training images and labels of MNIST into data/subset, in the same format: python3 subset.py N"""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent / "data"
FILES = {"train-images-idx3-ubyte": 16, "train-labels-idx1-ubyte": 8}


def main() -> None:
    count = int(sys.argv[1])
    target = HERE / "subset"
    target.mkdir(exist_ok=True)
    for name, header in FILES.items():
        content = (HERE / name).read_bytes()
        (there,) = struct.unpack(">I", content[4:8])
        if not 0 < count <= there:
            sys.exit(f"{name} holds {there} samples")
        size = (len(content) - header) // there
        start = content[:4] + struct.pack(">I", count) + content[8:header]
        (target / name).write_bytes(start + content[header : header + count * size])


main()
