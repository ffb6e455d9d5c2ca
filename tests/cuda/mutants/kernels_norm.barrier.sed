# norm_back | of shared memory
/gather_columns/,/^}/{
	/__syncthreads/{
		x
		s/^/x/
		/^x$/{
			x
			d
		}
		x
	}
}
