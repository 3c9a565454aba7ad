"""The notebooks as static pages, whose sliders move without kernel and network: `labdiff site OUT`."""
