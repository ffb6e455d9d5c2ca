# attend | of shared memory
/^DEVICE void forward/,/^}/s/__syncthreads();//
