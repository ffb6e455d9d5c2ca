# packing | before its copies
s/copies_done();//
