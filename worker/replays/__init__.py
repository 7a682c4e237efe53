"""Records sent through again: replays, backfills beside live traffic, redriven dead letters."""
