# values: cell | as thread
s/act_put8(x, from + at, from + j->d, e);/act_put8(x, from + at, from + at + PER, e);/
