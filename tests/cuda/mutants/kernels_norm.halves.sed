# values: embed | is off by
s/if (c + PER <= half)/if (c < half)/
