"""The only place that knows everything: settings, wiring, turns, command line."""
