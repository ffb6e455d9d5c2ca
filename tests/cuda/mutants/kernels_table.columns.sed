# values: embed_back | of device memory
/^KERNEL(sum_list/,/^}/s/if (c >= a.h)/if (c > a.h)/
