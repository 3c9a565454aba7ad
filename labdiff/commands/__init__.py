"""What the commands of `labdiff` do, one file each; labdiff/cli.py puts them together."""
