"""Papers: what a paper claims, run and checked; one file or folder for each paper."""
