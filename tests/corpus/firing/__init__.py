"""Programs with a mistake: it is on the line marked `# line`, its loop on the one marked `# loop`."""
