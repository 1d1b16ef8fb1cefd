"""Static files under names that hold a hash, compressed ahead of time, made at each start from the files as they are."""
