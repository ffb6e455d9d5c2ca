# flat | of shared memory
s/__syncthreads();//
