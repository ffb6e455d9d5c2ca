# table.jq: trex.json as Markdown.

def methods: [
	["functions", "the model that comes with bb, of shapes of strand expressions"],
	["pieces", "no learning: equal tokens of these shapes, by rarity"],
	["shapes", "no learning: equal shapes, by rarity"],
	["trex-ft", "Trex: pre-trained on traces, tuned on code"],
	["trex-ft-traced", "the same, asked with traces"],
	["trex-fs", "the same encoder, not pre-trained"],
	["trex-pre", "pre-trained, not tuned"],
	["bert-bare", "BinBert’s encoder on code, from scratch"],
	["bert-named", "the same, with names"],
	["words-traced", "no learning: equal tokens of Trex’s text, by rarity"],
	["words-bare", "no learning: equal tokens of the code, by rarity"],
	["words-named", "the same, with names"],
	["imports", "no learning: equal names of imported functions, by rarity"],
	["sizes", "no learning: numbers of blocks, edges and calls"]
];

# 0.943 as it is, 0.94 as 0.940
def digits: if . == null then "–" else . * 1000 | round | "\(. / 1000 | floor).\("00\(. % 1000)"[-3:])" end;
def row: "| " + join(" | ") + " |";
def head: row, (map("---") | row);
def lookup($method): first(.results[] | select(.method == $method)).result // null;
def known: . as $all | methods[] | select(.[0] as $m | $all | lookup($m) != null);
def pool: if .pool_min == null then "\(.pool)" else "\(.pool | round)" end;

# The rows of an experiment in pools of 100 and 1,000.
def experiment($what; $title):
	. as $all | (first($all.results[]).result) as $some |
	"", "## \($title)", "",
	"Pools of \($some["\($what)-100"] | pool) and \($some["\($what)-1000"] // {pool: 0} | pool).",
	"", (["", "queries", "hit@1", "MRR", "AUC", "hit@1 of 1,000", "MRR"] | head),
	(known as [$m, $name] | ($all | lookup($m)) as $r |
		[$name, "\($r["\($what)-100"].queries)", ($r["\($what)-100"] | .["hit@1"], .mrr, .auc | digits), ($r["\($what)-1000"] // {} | .["hit@1"], .mrr | digits)] | row);

# hit@1 by pairs of processors.
def pairs($method; $title):
	. as $all | ($all | lookup($method)) | select(. != null) | .pairs as $p | $all.archs as $archs |
	"", "\($title): hit@1 in pools of 100, at the same level; queries down, pools across.", "",
	([""] + $archs | head),
	($archs[] as $a | [$a, ($archs[] as $b | if $a == $b then "" else $p[$a][$b]["hit@1"] | digits end)] | row);

"# Functions across processors and levels", "",
"Preset \(.preset), seed \(.seed), models of \(.config). Trained on \(.train | join(", ")); tested on \(.test | join(", ")),",
"each for \(.archs | join(", ")) as \(.cells | join(", ")). Texts on both sides: \(.overlap | add). Without names of imported",
"functions where nothing else is said. Shapes are of those processors whose instructions have a meaning.",
experiment("arch"; "Another processor, the same level"),
experiment("level"; "The same processor, another level"),
experiment("both"; "Another processor and another level"),
"", "## Pairs of processors",
(known as [$m, $name] | pairs($m; $name))
