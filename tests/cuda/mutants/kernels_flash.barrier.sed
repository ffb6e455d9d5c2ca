# attend | of shared memory
/^DEVICE const uint16_t \*next_others/,/^}/s/meet(together);//
