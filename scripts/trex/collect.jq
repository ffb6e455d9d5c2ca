# collect.jq: all results, results/METHOD.json, as one object. Given: overlap, and as texts preset, seed, train,
# test, archs, cells, config.

{
	preset: $preset, seed: ($seed | tonumber),
	train: ($train | split(" ")), test: ($test | split(" ")), archs: ($archs | split(" ")), cells: ($cells | split(" ")),
	config: $config, overlap: $overlap[0],
	results: [inputs | {method: (input_filename | split("/")[-1] | rtrimstr(".json")), result: .}]
}
