# collect.jq: all results, results/EXPERIMENT/METHOD.json, and times, times/NAME.json, with what the paper
# says, as one object. Given: published (the text of published.tsv), overlap, model, and as texts preset,
# seed, train, test, cells.

def published($experiment; $method): [
	$published | split("\n")[1:][] | split("\t") | select(.[0] == $experiment and .[1] == $method) |
	{key: .[2], value: (.[3:] | map(tonumber / 100))}
] | from_entries;

[inputs | {path: (input_filename | sub(".json$"; "") | split("/")), result: .}] |
{
	preset: $preset, seed: ($seed | tonumber),
	train: ($train | split(" ")), test: ($test | split(" ")), cells: ($cells | split(" ")),
	model: $model[0], overlap: $overlap[0],
	times: map(select(.path[0] == "times") | {key: .path[1], value: .result}) | from_entries,
	results: map(select(.path[0] == "results") | .path[1] as $experiment | .path[2] as $method |
		{experiment: $experiment, method: $method, result, published: published($experiment; $method)})
}
