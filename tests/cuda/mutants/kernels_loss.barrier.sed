# classify | of shared memory
/^DEVICE float block_sum/,/^}/s/__syncthreads();//
