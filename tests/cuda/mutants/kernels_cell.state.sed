# values: cell_back | device memory
s/act_put8(floats_of(j->dc), from, end, d);/act_put8(floats_of(j->dc), from + j->d * 64, end + j->d * 64, d);/
