# values: cell | device memory
s/return \*row < j->rows;/return true;/
