# collect.jq: one result of bb-eval with its names and what the paper says of it. Given: experiment,
# method, published (the text of published.tsv).
{
	experiment: $experiment,
	method: $method,
	result: .,
	published: [
		$published | split("\n")[1:][] | split("\t") | select(.[0] == $experiment and .[1] == $method) |
		{key: .[2], value: (.[3:] | map(tonumber / 100))}
	] | from_entries
}
