"""Programs with a mistake that a rule must report, on the line marked `# line`, in the loop marked `# loop`."""
