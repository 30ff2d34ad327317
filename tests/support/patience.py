"""How long tests wait for what ends by itself, on however busy a machine."""

# Only what hangs takes as long.
SECONDS = 600.0
